"""What the product wrote into listener rules, from the sandbox's record of calls."""

import re

__all__ = ["created_rules", "private_rules", "secrets", "weights"]

_GROUP = re.compile(
    r"Actions\.member\.1\.ForwardConfig\.TargetGroups\.member\.(\d+)\.TargetGroupArn"
)
_HEADER = "Conditions.member.2.HttpHeaderConfig.Values.member.1"


def weights(sandbox, name):
    """
    (seconds since the epoch, percent) of every weight that the service was given beside the
    monolith.
    """
    for call in _calls(sandbox, "ModifyRule"):
        parameters = call["parameters"]
        groups = {
            value: found[1] for key, value in parameters.items() if (found := _GROUP.fullmatch(key))
        }
        for arn, place in groups.items():
            if f":targetgroup/{name}-tg/" in arn and len(groups) > 1:
                key = f"Actions.member.1.ForwardConfig.TargetGroups.member.{place}.Weight"
                yield call["time"], int(parameters[key])


def created_rules(sandbox, role):
    """Parameters of the calls that created rules of a role: `path`, `preview` or `control`."""
    return [
        call["parameters"]
        for call in _calls(sandbox, "CreateRule")
        if role in _tags(call["parameters"]).values()
    ]


def secrets(sandbox):
    """
    The secret of every private rule that was ever created or given another one; oldest first, each
    once.
    """
    calls = [
        call
        for call in _calls(sandbox, "CreateRule", "ModifyRule")
        if _HEADER in call["parameters"]
    ]
    return list(dict.fromkeys(call["parameters"][_HEADER].rpartition(".")[0] for call in calls))


def private_rules(sandbox):
    """The header values that rules of the listener ask for now."""
    elb = sandbox.boto("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    conditions = [
        condition
        for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        for condition in rule["Conditions"]
    ]
    return [
        value for one in conditions for value in one.get("HttpHeaderConfig", {}).get("Values", [])
    ]


def _calls(sandbox, *actions):
    return [
        call for call in sandbox.record() if call["action"] in actions and call["status"] == 200
    ]


def _tags(parameters):
    keys = {
        key.removesuffix(".Key"): value
        for key, value in parameters.items()
        if re.fullmatch(r"Tags.*\.Key", key)
    }
    return {value: parameters[f"{place}.Value"] for place, value in keys.items()}
