"""The monolith of a split, and where it runs."""

from dataclasses import dataclass
from typing import Any

from config.aws import AwsConfig
from config.monolith import MonolithConfig
from config.split import SplitConfig
from flows.record.events import emit
from tasks.aws.call import call
from tasks.discovery import Discovered, Monolith, read_monolith
from tasks.elbv2.default_action import read_receivers

__all__ = ["Site"]


@dataclass(frozen=True)
class Site:
    """The monolith of a split, and where it runs."""

    config: SplitConfig
    discovered: Discovered

    @property
    def settings(self) -> MonolithConfig:
        """What the config has about it."""
        return self.config.monolith

    @property
    def name(self) -> str:
        """Its ECS service name."""
        return self.settings.service

    @property
    def aws(self) -> AwsConfig:
        """Where AWS is."""
        return self.config.aws

    @property
    def cluster_arn(self) -> str:
        """Its cluster."""
        return self.discovered.cluster_arn

    @property
    def listener_arn(self) -> str:
        """The listener that the split works on."""
        return self.discovered.listener_arn

    @property
    def group_arn(self) -> str:
        """Its target group."""
        return self.discovered.monolith.target_group_arn

    async def read(self) -> Monolith:
        """The monolith as it runs now."""
        wanted = self.config.listener.load_balancer
        monolith, _, _ = await call(read_monolith, self.aws, self.config.cluster, self.name, wanted)
        return monolith

    async def read_receivers(self) -> str:
        """Every rule that forwards to it, in a line; empty without any."""
        receivers = await call(read_receivers, self.aws, self.group_arn)
        return ", ".join(receivers)

    def emit(self, text: str, **numbers: Any) -> None:
        """Record what happens to it."""
        emit("drain", None, text, numbers=numbers)
