"""The plan of a split on an AWS as it is found: resources, conflicts, and the drain decision."""

import asyncio
import functools
from pathlib import Path

import pytest
import yaml

from config.load import parse_config
from flows.plan.observe import observe
from flows.plan.split import plan_split
from tasks.aws.call import call
from tasks.discovery import discover
from tasks.state.service import read_service_state
from tests.placed import place

RESOURCES = [
    "ECR repository",
    "image",
    "log group",
    "IAM role",
    "task definition",
    "target group",
    "listener rule",
    "preview rule",
    "control rule",
    "ECS service",
]


@pytest.fixture
def plan(sandbox):
    """
    Plans the sandbox's split after `edit` has changed its config; `options` are `plan_split`'s.
    """
    return functools.partial(plan_on, sandbox)


def plan_on(sandbox, edit=lambda _: None, services=("users", "posts", "threads"), **options):
    config = edited(sandbox, edit)
    discovered = discover.plain(config)
    chosen = [config.service(name) for name in services]
    observed = asyncio.run(observe(config, discovered, chosen, read_state=read_state))
    return plan_split(config, discovered, observed, **options)


async def read_state(*arguments):
    return await call(read_service_state.plain, *arguments)


def edited(sandbox, edit=lambda _: None):
    path = Path(sandbox.state["config"])
    values = yaml.safe_load(path.read_text())
    edit(values)
    return parse_config(values, base=path.parent)


@pytest.mark.parametrize("service", ["users", "posts", "threads"])
def test_a_fresh_services_resources_are_all_created(plan, service):
    (item,) = [item for item in plan().services if item.service == service]
    assert [(change.resource, change.change.kind) for change in item.changes] == [
        (name, "create") for name in RESOURCES
    ]


def test_only_the_rules_of_the_runs_own_are_temporary(plan):
    changes = [change for item in plan().services for change in item.changes]
    assert {change.resource for change in changes if change.temporary} == {
        "preview rule",
        "control rule",
    }


def test_the_traffic_steps_are_the_configs(plan):
    assert {item.steps for item in plan().services} == {(10, 50, 100)}


def test_the_monoliths_scaling_its_rules_and_its_desired_count_change(plan):
    named = [(change.resource, change.name) for change in plan().monolith]
    assert named == [
        ("scalable target", "monolith"),
        ("listener rule", "rule 99 (/api*)"),
        ("listener", "the default action"),
        ("ECS service", "monolith"),
    ]


def never(values):
    values["monolith"]["drain"] = "never"


def keep(values):
    values["monolith"]["default_action"] = {"action": "keep"}


def approve(values):
    values["monolith"]["drain"] = "approve"


def test_the_reason_of_a_drain_is_its_condition(plan):
    decision = plan().drain
    assert decision.will_drain
    assert decision.reasons[0].startswith(
        "drained when every service has settled, no rule sends requests to it"
    )


def test_a_drain_that_needs_approval_has_it_as_a_condition(plan):
    assert plan(approve).drain.reasons[0].startswith("drained after approval, when every service")


@pytest.mark.parametrize(
    ("edit", "options", "reasons"),
    [
        (never, {}, ["monolith.drain is never"]),
        (lambda _: None, {"drain": False}, ["--no-drain was given"]),
        (lambda _: None, {"services": ("users",)}, ["--only leaves services out"]),
        (
            keep,
            {},
            [
                "rule 99 (/api*) sends requests to it, and monolith.default_action is keep",
                "the default action sends requests to it, and monolith.default_action is keep",
            ],
        ),
        (never, {"drain": False}, ["monolith.drain is never", "--no-drain was given"]),
    ],
    ids=["never", "no-drain", "only", "keep", "several"],
)
def test_a_monolith_is_kept_for_every_reason_at_once(plan, edit, options, reasons):
    decision = plan(edit, **options).drain
    assert (decision.will_drain, list(decision.reasons)) == (False, reasons)


def test_a_monolith_that_is_kept_only_has_its_scale_in_suspended_for_the_run(plan):
    (change,) = plan(never).monolith
    assert (change.resource, change.temporary) == ("scalable target", True)


@pytest.fixture
def foreign_log_group(sandbox):
    logs = sandbox.boto("logs")
    logs.create_log_group(logGroupName="/ecs/users", tags={"team": "another"})
    yield
    logs.delete_log_group(logGroupName="/ecs/users")


@pytest.mark.usefixtures("foreign_log_group")
def test_what_this_split_did_not_make_is_a_conflict(plan):
    (conflict,) = plan().conflicts
    assert "log group /ecs/users" in conflict


@pytest.mark.usefixtures("foreign_log_group")
def test_what_is_adopted_is_an_update_of_its_tags(plan):
    (change,) = [
        item.change
        for item in plan(adopt=["users"]).services[0].changes
        if item.name == "/ecs/users"
    ]
    assert (change.kind, "tags" in change.fields) == ("update", True)


def test_the_tables_rows_are_the_plans_changes(plan):
    made = plan()
    rows = made.rows()
    changes = [change for item in made.services for change in item.changes] + list(made.monolith)
    shown = [
        (row["resource"], row["name"])
        for row in rows
        if row["resource"] not in ("traffic", "drain")
    ]
    assert shown == [(change.resource, change.name) for change in changes]


def test_a_new_path_of_a_service_with_users_is_a_conflict(start_sandbox):
    sandbox = start_sandbox()
    place(edited(sandbox), "users", 30)

    def more(values):
        values["services"][0]["path_patterns"].append("/api/profiles*")

    (conflict,) = plan_on(sandbox, more).conflicts
    assert conflict.startswith(
        "services.users.path_patterns: '/api/profiles*' is new, and users has users already"
    )
