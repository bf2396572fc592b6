"""
What AWS holds of a split, read with boto3 alone, and without what differs from one run to the next.
"""

import contextlib
import json
import re

__all__ = [
    "desired_counts",
    "differences",
    "end_state",
    "images",
    "listener_rules",
    "path_rules",
    "private_rules",
    "read_services",
    "target_group_arns",
    "target_states",
    "task_definitions",
    "weight",
    "weights",
]

SERVICES = ("users", "posts", "threads")


def listener_arn(sandbox):
    """The forum's listener."""
    elb = sandbox.boto("elbv2")
    balancer = elb.describe_load_balancers(Names=["forum"])["LoadBalancers"][0]["LoadBalancerArn"]
    return elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]


def listener_rules(sandbox):
    """
    The listener's rules by priority, each with its `Tags` as a dict; read again where a run has
    deleted one of its own rules between the two calls.
    """
    elb = sandbox.boto("elbv2")
    listener = listener_arn(sandbox)
    while True:
        with contextlib.suppress(elb.exceptions.RuleNotFoundException):
            return _read_rules(elb, listener)


def _read_rules(elb, listener):
    rules = elb.describe_rules(ListenerArn=listener)["Rules"]
    arns = [rule["RuleArn"] for rule in rules if not rule["IsDefault"]]
    described = elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
    tags = {item["ResourceArn"]: _dict(item["Tags"]) for item in described}
    return [{**rule, "Tags": tags.get(rule["RuleArn"], {})} for rule in rules]


def private_rules(sandbox):
    """
    Roles of the rules that a run makes for itself and removes again: the lock, preview and control
    rules.
    """
    roles = [rule["Tags"].get("split:role") for rule in listener_rules(sandbox)]
    return [role for role in roles if role not in (None, "path")]


def path_rules(sandbox):
    """The rules that share a service's paths between it and the monolith."""
    return [rule for rule in listener_rules(sandbox) if rule["Tags"].get("split:role") == "path"]


def weights(sandbox):
    """{target group name: weight} of each path rule, by service."""
    rules = path_rules(sandbox)
    # Read after the rules: a run at work makes a group before its rule.
    names = _target_group_names(sandbox)
    found = {}
    for rule in rules:
        groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        service = rule["Tags"]["split:service"]
        found[service] = {names[group["TargetGroupArn"]]: group["Weight"] for group in groups}
    return found


def weight(sandbox, service):
    """The service's own weight; None while it has no path rule."""
    return weights(sandbox).get(service, {}).get(f"{service}-tg")


def target_group_arns(sandbox):
    """{name: ARN} of all target groups."""
    return {name: arn for arn, name in _target_group_names(sandbox).items()}


def read_services(sandbox):
    """The cluster's ECS services by name."""
    ecs = sandbox.boto("ecs")
    arns = ecs.list_services(cluster="forum")["serviceArns"]
    services = ecs.describe_services(cluster="forum", services=arns, include=["TAGS"])["services"]
    return {
        service["serviceName"]: service for service in services if service["status"] == "ACTIVE"
    }


def desired_counts(sandbox):
    """Desired count by ECS service."""
    return {name: service["desiredCount"] for name, service in read_services(sandbox).items()}


def target_states(sandbox, group):
    """The states of a target group's targets, by its name."""
    elb = sandbox.boto("elbv2")
    arn = elb.describe_target_groups(Names=[group])["TargetGroups"][0]["TargetGroupArn"]
    targets = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return sorted(target["TargetHealth"]["State"] for target in targets)


def task_definitions(sandbox, service):
    """Every revision of the service's task definition, oldest first."""
    ecs = sandbox.boto("ecs")
    arns = ecs.list_task_definitions(familyPrefix=f"{service}-task-def")["taskDefinitionArns"]
    return [ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"] for arn in arns]


def images(sandbox, service):
    """{digest: tags} of a repository."""
    details = sandbox.boto("ecr").describe_images(repositoryName=service)["imageDetails"]
    return {image["imageDigest"]: sorted(image.get("imageTags", [])) for image in details}


def end_state(sandbox, *services):
    """
    Everything that a split makes or changes, without ids, addresses and times.

    Two runs that came to the same end have the same one.
    """
    state = {
        "services": {name: _service_state(sandbox, name) for name in services},
        "ECS services": sorted(read_services(sandbox)),
        "rules": _rule_states(sandbox),
        "number of rules": len(listener_rules(sandbox)),
        "listener": _listener_state(sandbox),
        "monolith": _monolith_state(sandbox),
        "repositories": sorted(
            item["repositoryName"]
            for item in sandbox.boto("ecr").describe_repositories()["repositories"]
        ),
        "log groups": sorted(
            item["logGroupName"] for item in sandbox.boto("logs").describe_log_groups()["logGroups"]
        ),
        "roles": sorted(item["RoleName"] for item in sandbox.boto("iam").list_roles()["Roles"]),
        "target groups": sorted(_target_group_names(sandbox).values()),
    }
    return json.loads(_without_ids(json.dumps(state, default=str, sort_keys=True), sandbox))


def differences(held, wanted, where=""):
    """Where two states differ, one line a value; empty when they are equal."""
    if isinstance(held, dict) and isinstance(wanted, dict):
        return [
            line
            for key in sorted({*held, *wanted})
            for line in differences(held.get(key), wanted.get(key), f"{where}.{key}")
        ]
    if isinstance(held, list) and isinstance(wanted, list) and len(held) == len(wanted):
        return [
            line
            for index, pair in enumerate(zip(held, wanted, strict=True))
            for line in differences(*pair, f"{where}[{index}]")
        ]
    return [] if held == wanted else [f"{where}: {held!r}, not {wanted!r}"]


def _service_state(sandbox, name):
    ecs, iam = sandbox.boto("ecs"), sandbox.boto("iam")
    elb, logs, ecr = sandbox.boto("elbv2"), sandbox.boto("logs"), sandbox.boto("ecr")
    group = elb.describe_target_groups(Names=[f"{name}-tg"])["TargetGroups"][0]
    role = iam.get_role(RoleName=f"{name}-task-role")["Role"]
    repository = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    log_group = logs.describe_log_groups(logGroupNamePrefix=f"/ecs/{name}")["logGroups"]
    service = read_services(sandbox)[name]
    return {
        "repository": _but(repository, "createdAt"),
        "repository tags": _dict(
            ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        ),
        "image tags": list(images(sandbox, name).values()),
        "log groups": [_but(item, "creationTime", "storedBytes") for item in log_group],
        "role": _but(role, "CreateDate", "RoleId", "RoleLastUsed"),
        "role policies": [
            iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        ],
        "task definitions": [
            _but(item, "registeredAt") for item in task_definitions(sandbox, name)
        ],
        "target group": group,
        "attributes": elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])[
            "Attributes"
        ],
        "target group tags": _dict(
            elb.describe_tags(ResourceArns=[group["TargetGroupArn"]])["TagDescriptions"][0]["Tags"]
        ),
        "targets": target_states(sandbox, f"{name}-tg"),
        "service": _but(service, "createdAt", "currentServiceDeployment", "deployments", "events"),
        "deployments": [item["rolloutState"] for item in service["deployments"]],
        "tasks": len(
            ecs.list_tasks(cluster="forum", serviceName=name, desiredStatus="RUNNING")["taskArns"]
        ),
    }


def _rule_states(sandbox):
    """
    By what they match; of their priorities only which of them win over the monolith's own rule
    counts.
    """
    rules = listener_rules(sandbox)
    own = next(
        int(rule["Priority"])
        for rule in rules
        if not rule["Tags"].get("split:role") and not rule["IsDefault"]
    )
    return {
        json.dumps(rule["Conditions"], sort_keys=True): {
            "actions": rule["Actions"],
            "tags": _but(rule["Tags"], "split:weights", "split:form", "split:priority"),
            "wins": not rule["IsDefault"] and int(rule["Priority"]) < own,
        }
        for rule in rules
    }


def _listener_state(sandbox):
    tags = sandbox.boto("elbv2").describe_tags(ResourceArns=[listener_arn(sandbox)])
    # The form is a hash of ARNs, which differ between sandboxes.
    return _but(_dict(tags["TagDescriptions"][0]["Tags"]), "split:form")


def _monolith_state(sandbox):
    service = read_services(sandbox)["monolith"]
    targets = sandbox.boto("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs"
    )
    return {
        "counts": [service[key] for key in ("desiredCount", "runningCount", "pendingCount")],
        "tags": _dict(service.get("tags", [])),
        "scaling": [item.get("SuspendedState") for item in targets["ScalableTargets"]],
        "targets": target_states(sandbox, "forum-monolith-tg"),
    }


def _target_group_names(sandbox):
    groups = sandbox.boto("elbv2").describe_target_groups()["TargetGroups"]
    return {group["TargetGroupArn"]: group["TargetGroupName"] for group in groups}


def _without_ids(text, sandbox):
    for arn, name in _target_group_names(sandbox).items():
        text = text.replace(arn, f"target group {name}")
    text = re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)
    text = re.sub(r"(service-(?:deployment|revision)/\w+/\w+)/\d+", r"\1/ID", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "REGISTRY", text)
    text = re.sub(r"\b(vpc|subnet|sg|eni)-[0-9a-f]+", r"\1-ID", text)
    text = re.sub(r'("split:monolith-rules": "default) [0-9a-f]+"', r'\1 ID"', text)
    return re.sub(r"loadbalancer/app/forum/[0-9a-f]+", "loadbalancer/app/forum/ID", text)


def _but(item, *keys):
    return {key: value for key, value in item.items() if key not in ("ResponseMetadata", *keys)}


def _dict(tags):
    """ELBv2 writes Key, ECS key."""
    return {tag.get("Key") or tag["key"]: tag.get("Value") or tag.get("value") for tag in tags}
