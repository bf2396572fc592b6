"""Edits of the sandbox's split.yaml, each a function that changes the parsed file."""

from pathlib import Path

import yaml

__all__ = ["at_half_weight", "edited_config", "hasten_drain", "only", "quick"]


def edited_config(sandbox, directory, *edits):
    """The sandbox's split.yaml, changed by each edit in turn, in a file in the directory."""
    config = yaml.safe_load(Path(sandbox.state["config"]).read_text())
    for edit in edits:
        edit(config)
    path = directory / "split.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def only(*names):
    """An edit: only these services leave the monolith; the first gets what no service takes."""

    def edit(config):
        config["services"] = [service for service in config["services"] if service["name"] in names]
        config["monolith"]["default_action"]["service"] = names[0]

    return edit


def quick(config):
    """An edit: all traffic in one step that bakes no longer than its verdict needs."""
    config["traffic"]["shift"] = {"strategy": "all_at_once", "bake": 0}
    # Latencies need a number of probes to be compared.
    config["traffic"]["gates"] |= {
        "min_requests": 1,
        "source": "probes",
        "latency_ratio": {"p95": None},
    }
    config["monolith"]["quiet_period"] = 1
    config["stable_timeout"] = 60
    for service in config["services"]:
        service["deregistration_delay"] = 1


def at_half_weight(bake):
    """An edit: a first step at half of the traffic, which bakes for so many seconds."""

    def edit(config):
        steps = [{"weight": 50, "bake": bake}, {"weight": 100, "bake": 0}]
        config["traffic"]["shift"] = {"strategy": "steps", "list": steps}

    return edit


def hasten_drain(sandbox):
    """Stop the monolith's tasks a second after their last request, not five."""
    elb = sandbox.boto("elbv2")
    (group,) = elb.describe_target_groups(Names=["forum-monolith-tg"])["TargetGroups"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
    elb.modify_target_group_attributes(TargetGroupArn=group["TargetGroupArn"], Attributes=[delay])
