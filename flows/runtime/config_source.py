"""Where a run's config comes from: a file that its worker can read, or the config itself."""

import asyncio
from pathlib import Path
from typing import TypeAlias

from pydantic import ConfigDict, Field

from config.base import ConfigModel
from config.load import load_config
from config.split import SplitConfig

__all__ = ["ConfigFile", "ConfigSource", "read_source"]


class ConfigFile(ConfigModel):
    """A split.yaml on the machine that does the run."""

    model_config = ConfigDict(title="File on the worker")

    path: Path = Field(examples=["examples/forum/split.yaml"])
    """Path of the file; a relative one starts from the working directory of the worker's runs."""

    @property
    def name(self) -> str:
        """For the name of the run, before the file is read."""
        return self.path.stem


ConfigSource: TypeAlias = ConfigFile | SplitConfig
"""A flow's `config` parameter: the Prefect form offers a choice of the two."""


async def read_source(source: ConfigSource) -> SplitConfig:
    """
    Read the config that a run has as its parameter.

    Raises:
        InvalidConfig: The file cannot be read, or a value in it cannot work.
    """
    if isinstance(source, SplitConfig):
        return source
    return await asyncio.to_thread(load_config, source.path)
