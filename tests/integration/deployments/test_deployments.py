"""deployments/ against the flows, Prefect's own models, and the config's."""

import json
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from config.load import load_config
from config.split import SplitConfig

ROOT = Path(__file__).parents[3]
PREFECT = yaml.safe_load((ROOT / "deployments/prefect.yaml").read_text())
DEPLOYMENTS = {item["name"]: item for item in PREFECT["deployments"]}
# `secrets` of a service are ARNs: ECS fills in what they stand for.
SECRETS = ("secret_", "password", "token", "access_key")
FLOWS = ["split", "redeploy", "rollback", "status", "teardown"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def flow_of(name) -> Flow:
    return load_flow_from_entrypoint(DEPLOYMENTS[name]["entrypoint"])


def form(name):
    return parameter_schema(flow_of(name).fn).model_dump()


def fields(schema):
    """(model, field, schema) of all fields of a form, nested ones too."""
    yield from (("", name, field) for name, field in schema["properties"].items())
    for model, definition in schema["definitions"].items():
        yield from (
            (model, name, field) for name, field in definition.get("properties", {}).items()
        )


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_entry_point_is_a_flow(name):
    assert isinstance(flow_of(name), Flow)


@pytest.mark.parametrize("name", FLOWS)
def test_every_field_of_a_form_is_described(name):
    schema = form(name)
    described = {
        model for model, definition in schema["definitions"].items() if "description" in definition
    }
    missing = [
        (model, key, field) for model, key, field in fields(schema) if "description" not in field
    ]
    assert [
        item for item in missing if item[2].get("$ref", "").rpartition("/")[2] not in described
    ] == []


@pytest.mark.parametrize("name", FLOWS)
def test_every_field_of_a_form_has_its_place(name):
    assert [
        (model, key) for model, key, field in fields(form(name)) if "position" not in field
    ] == []


@pytest.mark.parametrize("name", FLOWS)
def test_the_config_is_a_file_or_inline(name):
    choices = [
        choice["$ref"].rpartition("/")[2] for choice in form(name)["properties"]["config"]["anyOf"]
    ]
    assert choices == ["ConfigFile", "SplitConfig"]


@pytest.mark.parametrize("name", FLOWS)
def test_no_credential_is_a_parameter(name):
    keys = [key.lower() for _, key, _ in fields(form(name))]
    assert [key for key in keys if any(secret in key for secret in SECRETS)] == []


def test_a_config_survives_as_the_parameter_of_a_run():
    config = load_config(ROOT / "examples/forum/split.yaml")
    assert (
        SplitConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    )


def test_every_schedule_is_inactive_at_first():
    schedules = [
        schedule for item in PREFECT["deployments"] for schedule in item.get("schedules", [])
    ]
    assert [schedule["slug"] for schedule in schedules if schedule["active"]] == []


def test_every_schedule_is_a_cron_that_prefect_reads():
    schedules = [
        schedule for item in PREFECT["deployments"] for schedule in item.get("schedules", [])
    ]
    assert [CronSchedule(cron=item["cron"], timezone=item["timezone"]).cron for item in schedules]


@pytest.mark.parametrize(
    "automation", yaml.safe_load((ROOT / "deployments/automations.yaml").read_text())["automations"]
)
def test_every_automation_is_one_that_prefect_reads(automation):
    assert AutomationCore.model_validate(automation).enabled


def test_a_run_is_marked_as_crashed_after_three_missing_heartbeats_at_the_earliest():
    [automation] = yaml.safe_load((ROOT / "deployments/automations.yaml").read_text())[
        "automations"
    ]
    heartbeat = int(
        PREFECT["definitions"]["work_pool"]["job_variables"]["env"][
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
        ]
    )
    assert automation["trigger"]["within"] >= 3 * heartbeat
