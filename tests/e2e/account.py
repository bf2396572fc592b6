"""
Everything that an AWS account holds, as its owner sees it: what must be as before when a tool has
cleaned up.
"""

from tests.e2e import aws_state

__all__ = ["read_account"]


def read_account(sandbox):
    """
    Every resource of the kinds that a split touches, with ARNs, tags and settings.

    Left out is what a scale down and up changes in any case: addresses of targets, events, times of
    deployments.
    """
    return {
        "load balancers": _load_balancers(sandbox),
        "rules": {rule["RuleArn"]: rule for rule in aws_state.listener_rules(sandbox)},
        "target groups": _target_groups(sandbox),
        "services": _services(sandbox),
        "task definitions": _task_definitions(sandbox),
        "scaling": _scaling(sandbox),
        "roles": _roles(sandbox),
        "repositories": _repositories(sandbox),
        "log groups": sorted(group["logGroupName"] for group in _log_groups(sandbox)),
    }


def _load_balancers(sandbox):
    elb = sandbox.boto("elbv2")
    return {
        balancer["LoadBalancerArn"]: [
            {**listener, "Tags": _tags(elb, listener["ListenerArn"])}
            for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])[
                "Listeners"
            ]
        ]
        for balancer in elb.describe_load_balancers()["LoadBalancers"]
    }


def _tags(elb, arn):
    return elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]


def _target_groups(sandbox):
    elb = sandbox.boto("elbv2")
    return {
        group["TargetGroupArn"]: {
            "group": group,
            "tags": _tags(elb, group["TargetGroupArn"]),
            "targets": aws_state.target_states(sandbox, group["TargetGroupName"]),
        }
        for group in elb.describe_target_groups()["TargetGroups"]
    }


def _services(sandbox):
    services = aws_state.read_services(sandbox)
    changing = ("events", "deployments")
    return {
        name: {key: value for key, value in service.items() if key not in changing}
        for name, service in services.items()
    }


def _task_definitions(sandbox):
    ecs = sandbox.boto("ecs")
    return {
        status: sorted(ecs.list_task_definitions(status=status)["taskDefinitionArns"])
        for status in ("ACTIVE", "INACTIVE")
    }


def _scaling(sandbox):
    """A target that never had a `SuspendedState` scales like one whose states are all false."""
    targets = sandbox.boto("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs"
    )
    nothing = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"),
        False,
    )
    return [
        {**target, "SuspendedState": target.get("SuspendedState") or nothing}
        for target in targets["ScalableTargets"]
    ]


def _roles(sandbox):
    iam = sandbox.boto("iam")
    return {
        role["RoleName"]: iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        for role in iam.list_roles()["Roles"]
    }


def _repositories(sandbox):
    ecr = sandbox.boto("ecr")
    names = [item["repositoryName"] for item in ecr.describe_repositories()["repositories"]]
    return {name: sorted(aws_state.images(sandbox, name)) for name in names}


def _log_groups(sandbox):
    pages = sandbox.boto("logs").get_paginator("describe_log_groups").paginate()
    return [group for page in pages for group in page["logGroups"]]
