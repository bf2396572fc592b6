"""What a valid config means."""

import json
from pathlib import Path

import jsonschema
import pydantic
import pytest

from config.load import config_schema, load_config, parse_config
from config.service import ServiceConfig, fargate_memory
from config.split import SplitConfig
from config.traffic import AllAtOnce, Canary, Linear, Steps

BASE = Path("/srv/forum")


def data(**changes):
    users = {"name": "users", "path_patterns": ["/api/users*"], "build": {"context": "users"}}
    posts = {
        "name": "posts",
        "path_patterns": ["/api/posts*"],
        "image": "registry.example.com/posts:1",
    }
    return {
        "name": "forum-split",
        "aws": {"region": "eu-central-1"},
        "cluster": "production",
        "monolith": {"service": "forum"},
        "services": [users, posts],
    } | changes


def split(**changes) -> SplitConfig:
    return parse_config(data(**changes), base=BASE)


def weights(shift):
    return [step.weight for step in shift.steps()]


def test_a_build_context_is_relative_to_the_config_file():
    assert split().service("users").build.context == BASE / "users"


def delays(longest, **service):
    (users, posts) = data()["services"]
    monolith = {"service": "forum", "longest_connection": longest}
    config = split(monolith=monolith, services=[{**users, **service}, posts])
    return [item.deregistration_delay for item in config.services]


@pytest.mark.parametrize(
    ("longest", "delay"), [(None, 30), (0, 30), (10, 30), (900, 900), (899.5, 900), (7200, 3600)]
)
def test_targets_are_deregistered_as_slowly_as_the_longest_connection_needs(longest, delay):
    assert delays(longest) == [delay, delay]


def test_a_service_keeps_its_own_deregistration_delay():
    assert delays(900, deregistration_delay=5) == [5, 900]


def test_a_config_that_went_through_a_prefect_parameter_keeps_its_delays():
    config = split(monolith={"service": "forum", "longest_connection": 900})
    assert SplitConfig.model_validate(config.model_dump(mode="json")) == config


def test_an_absolute_build_context_stays():
    services = [{"name": "users", "path_patterns": ["/u"], "build": {"context": "/opt/users"}}]
    assert split(services=services).service("users").build.context == Path("/opt/users")


def test_a_file_of_parity_paths_is_relative_to_the_config_file():
    services = [
        {
            "name": "users",
            "path_patterns": ["/u"],
            "image": "u:1",
            "parity": {"paths_file": "paths.txt"},
        }
    ]
    assert split(services=services).service("users").parity.paths_file == BASE / "paths.txt"


def test_a_credentials_file_is_relative_to_the_config_file():
    aws = {"region": "eu-central-1", "shared_credentials_file": "credentials"}
    assert split(aws=aws).aws.shared_credentials_file == BASE / "credentials"


def test_a_tilde_in_a_path_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    aws = {"region": "eu-central-1", "shared_credentials_file": "~/credentials"}
    assert split(aws=aws).aws.shared_credentials_file == Path("/home/ann/credentials")


def test_paths_in_a_loaded_file_are_relative_to_its_folder(tmp_path):
    (tmp_path / "split.yaml").write_text(json.dumps(data()))
    assert load_config(tmp_path / "split.yaml").service("users").build.context == tmp_path / "users"


def test_yaml_merge_keys_share_settings_between_services(tmp_path):
    (tmp_path / "split.yaml").write_text("""
name: forum-split
aws: {region: eu-central-1}
cluster: production
monolith: {service: forum}
services:
  - &users {name: users, path_patterns: [/u], image: "u:1", port: 8080}
  - {<<: *users, name: posts, path_patterns: [/p]}
""")
    assert load_config(tmp_path / "split.yaml").service("posts").port == 8080


def test_a_config_survives_json_as_parameters_of_a_flow_run_do():
    config = split()
    assert parse_config(config.model_dump(mode="json"), base=Path("/elsewhere")) == config


def test_a_config_cannot_be_changed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        split().name = "other"


@pytest.mark.parametrize(
    "region", ["us-east-1", "us-gov-west-1", "ap-southeast-4", "us-isob-east-1", "eusc-de-east-1"]
)
def test_regions_of_every_partition_are_valid(region):
    assert split(aws={"region": region}).aws.region == region


def test_the_names_of_a_services_resources_derive_from_its_name():
    service = split().service("users")
    names = (
        service.target_group,
        service.family,
        service.container,
        service.log_group,
        service.task_role,
    )
    assert names == ("users-tg", "users-task-def", "users-cntr", "/ecs/users", "users-task-role")


def test_the_longest_service_name_leaves_room_for_the_target_group_s():
    service = ServiceConfig(name="u" * 29, path_patterns=("/u",), image="u:1")
    assert len(service.target_group) == 32


def test_an_unknown_service_is_a_key_error():
    with pytest.raises(KeyError, match="mail"):
        split().service("mail")


def test_a_service_without_traffic_of_its_own_has_the_split_s():
    config = split(traffic={"shift": {"strategy": "all_at_once"}})
    assert isinstance(config.traffic_of(config.service("users")).shift, AllAtOnce)


def test_a_services_own_traffic_wins():
    services = data()["services"]
    services[0]["traffic"] = {"shift": {"strategy": "canary"}}
    config = split(services=services)
    assert isinstance(config.traffic_of(config.service("users")).shift, Canary)


def test_different_patterns_that_share_a_path_are_ambiguous():
    services = data()["services"]
    services[1]["path_patterns"] = ["/api/*"]
    ((_, pattern, _, rival),) = split(services=services).ambiguous_patterns()
    assert (pattern, rival) == ("/api/users*", "/api/*")


def test_patterns_without_a_common_path_are_not_ambiguous():
    assert split().ambiguous_patterns() == []


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (AllAtOnce(), [100]),
        (Canary(weight=5), [5, 100]),
        (Linear(step=25), [25, 50, 75, 100]),
        (Linear(step=30), [30, 60, 90, 100]),
        (Linear(step=100), [100]),
        (Steps(), [10, 50, 100]),
    ],
)
def test_every_strategy_ends_at_100(shift, expected):
    assert weights(shift) == expected


def test_a_strategys_steps_last_as_long_as_configured():
    assert [step.bake for step in Linear(step=50, interval=7).steps()] == [7, 7]


@pytest.mark.parametrize(
    ("cpu", "smallest", "largest", "sizes"),
    [
        (256, 512, 2048, 3),
        (512, 1024, 4096, 4),
        (1024, 2048, 8192, 7),
        (4096, 8192, 30720, 23),
        (16384, 32768, 122880, 12),
    ],
)
def test_fargate_has_the_documented_sizes(cpu, smallest, largest, sizes):
    allowed = fargate_memory(cpu)
    assert (allowed[0], allowed[-1], len(allowed)) == (smallest, largest, sizes)


def test_fargate_has_no_memory_for_cpu_that_it_does_not_have():
    assert fargate_memory(300) == ()


def test_the_json_schema_accepts_a_valid_config():
    jsonschema.validate(data(), config_schema())


def test_the_json_schema_refuses_an_unknown_key():
    with pytest.raises(jsonschema.ValidationError, match="nme"):
        jsonschema.validate(data(nme=1), config_schema())


def test_the_json_schema_keeps_the_order_of_the_fields():
    properties = config_schema()["properties"]
    assert [field["position"] for field in properties.values()] == list(range(len(properties)))


def test_the_json_schema_keeps_the_bounds_that_the_prefect_form_checks():
    port = config_schema()["$defs"]["ServiceConfig"]["properties"]["port"]
    assert (port["minimum"], port["maximum"]) == (1, 65535)
