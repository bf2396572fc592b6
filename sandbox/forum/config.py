"""The split.yaml of this sandbox's forum: the example's, with its own addresses and short times."""

from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.api.internal import REGION
from sandbox.engine.content.base_image import BASE_IMAGE
from sandbox.parts import Parts

__all__ = ["FORUM", "write_config"]

FORUM: Final = Path(__file__).parents[2] / "examples" / "forum"
"""Folder of the example's build contexts and its split.yaml."""

_CREDENTIALS: Final = """\
# The sandbox accepts any key; this one is valid nowhere else.
[default]
aws_access_key_id = AKIAREHEARSALREHEARS
aws_secret_access_key = rehearsal
"""
# The same steps and gates as on AWS, with shorter times: here metrics are complete within a second.
_TRAFFIC: Final[dict[str, Any]] = {
    "shift": {
        "strategy": "steps",
        "list": [{"weight": 10, "bake": 2}, {"weight": 50, "bake": 2}, {"weight": 100, "bake": 1}],
    },
    "gates": {
        "max_5xx_rate": 0.01,
        "latency_ratio": {"p95": 2.0},
        # On a busy laptop, scheduling delays are longer than the forum's response time.
        "latency_floor": 0.1,
        "min_requests": 20,
        # A sandbox has no traffic but that of its own clients.
        "too_little_traffic": "synthesize",
        "wait_limit": 30,
        "metrics_period": 1,
        "metrics_lag": 1,
        "tolerance": 20,
    },
}
# The forum bears many times the 250 requests a second of the rehearsal's client.
_OWN_REQUESTS: Final[dict[str, Any]] = {"least": 100, "most": 100}
_HEAD: Final = (
    "# Written by `python -m sandbox` from examples/forum/split.yaml; valid while it runs.\n"
)


def write_config(parts: Parts) -> Path:
    """Write a complete split.yaml, and the credentials file it names; return its path."""
    credentials = parts.run_dir / "credentials"
    credentials.write_text(_CREDENTIALS, encoding="utf-8")
    config = _make_config(parts, credentials)
    path = parts.run_dir / "split.yaml"
    path.write_text(_HEAD + yaml.safe_dump(config, sort_keys=False, width=120), encoding="utf-8")
    return path


def _make_config(parts: Parts, credentials: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((FORUM / "split.yaml").read_text(encoding="utf-8"))
    config["aws"] = {
        "region": REGION,
        "endpoint_url": parts.endpoint_url,
        "shared_credentials_file": str(credentials),
    }
    config["docker_host"] = parts.engine.docker_host
    config["monolith"]["quiet_period"] = 3
    config["traffic"] = _TRAFFIC
    config["own_requests"] = _OWN_REQUESTS
    for service in config["services"]:
        service["build"] = {
            "context": str(FORUM / service["build"]["context"]),
            "args": {"BASE_IMAGE": BASE_IMAGE},
        }
        service["deregistration_delay"] = 5
    return config
