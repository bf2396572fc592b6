"""Bad configs: every message has the field, the value, and what to do."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.errors import InvalidConfig
from config.load import load_config

GOOD = """
name: forum-split
aws: {region: eu-central-1}
cluster: production
monolith: {service: forum}
services:
  - name: users
    path_patterns: [/api/users*]
    build: {context: users}
  - name: posts
    path_patterns: [/api/posts*]
    image: registry.example.com/posts:1.4
"""
GONE = object()
USERS = ("services", 0)
SHIFT = ("traffic", "shift")
GATES = ("traffic", "gates")
DEFAULT = ("monolith", "default_action")
STEPS_FALLING = {"strategy": "steps", "list": [{"weight": 50}, {"weight": 10}, {"weight": 100}]}
STEPS_TO_90 = {"strategy": "steps", "list": [{"weight": 50}, {"weight": 90}]}

# Where the fault is put, what is put there, then what the one line must say: field path, value,
# remedy.
FAULTS: list[tuple[tuple[Any, ...], Any, str, str, str]] = [
    # Keys
    (("clutser",), "x", "clutser", '"x"', "did you mean 'cluster'?"),
    (
        (*USERS, "path_paterns"),
        ["/a"],
        "services[0].path_paterns",
        '["/a"]',
        "did you mean 'path_patterns'?",
    ),
    ((*USERS, "zzz"), 1, "services[0].zzz", "1", "take it out; known are build, checks"),
    (
        (*USERS, "build"),
        {"contxt": "x"},
        "services[0].build.contxt",
        '"x"',
        "did you mean 'context'?",
    ),
    ((*SHIFT,), {"strategy": "linear", "stp": 5}, "traffic.shift.stp", "5", "did you mean 'step'?"),
    (
        (*SHIFT,),
        {"strategy": "steps", "steps": []},
        "traffic.shift.steps",
        "[]",
        "known are list, strategy",
    ),
    ((3,), "x", "[3]", "3", "write it in quotes"),
    (("name",), GONE, "name", "is missing", "add it"),
    (("aws", "region"), GONE, "aws.region", "is missing", "add it"),
    ((*USERS, "name"), GONE, "services[0].name", "is missing", "add it"),
    # Types
    (("services",), {}, "services", "{}", "write a list"),
    (("services",), None, "services", "null", "write a list"),
    (("services", 1), "posts", "services[1]", '"posts"', "write keys and values"),
    (("aws",), "eu-central-1", "aws", '"eu-central-1"', "write keys and values"),
    (
        ("aws", "account_id"),
        123456789012,
        "aws.account_id",
        "123456789012",
        "write it as text, in quotes",
    ),
    ((*USERS, "name"), True, "services[0].name", "true", "write it as text, in quotes"),
    (
        (*USERS, "path_patterns"),
        "/api/users*",
        "services[0].path_patterns",
        '"/api/users*"',
        "write a list",
    ),
    ((*USERS, "memory"), "big", "services[0].memory", '"big"', "write digits only"),
    ((*USERS, "memory"), 512.5, "services[0].memory", "512.5", "write digits only"),
    ((*USERS, "port"), True, "services[0].port", "true", "write digits"),
    ((*USERS, "health_check"), 3, "services[0].health_check", "3", "write keys and values"),
    (
        (*USERS, "environment"),
        {"DEBUG": 1},
        "services[0].environment.DEBUG",
        "1",
        "write it as text, in quotes",
    ),
    (
        (*USERS, "environment"),
        {"steps": 1},
        "services[0].environment.steps",
        "1",
        "write it as text, in quotes",
    ),
    (
        (*USERS, "build", "context"),
        3,
        "services[0].build.context",
        "3",
        "write it as text, in quotes",
    ),
    (("stable_timeout",), "15m", "stable_timeout", '"15m"', "write digits"),
    ((*GATES, "max_5xx_rate"), "1%", "traffic.gates.max_5xx_rate", '"1%"', "write digits"),
    ((*GATES, "dry_run"), "maybe", "traffic.gates.dry_run", '"maybe"', "write true or false"),
    ((*GATES, "alarms"), "high", "traffic.gates.alarms", '"high"', "write a list"),
    # Choices
    (
        (*USERS, "cpu"),
        300,
        "services[0].cpu",
        "300",
        "256, 512, 1024, 2048, 4096, 8192 or 16384; choose one of them",
    ),
    (
        (*USERS, "cpu_architecture"),
        "arm",
        "services[0].cpu_architecture",
        '"arm"',
        "'X86_64' or 'ARM64'; choose one",
    ),
    (
        (*USERS, "log_retention_days"),
        13,
        "services[0].log_retention_days",
        "13",
        "choose one of them",
    ),
    (
        ("monolith", "drain"),
        True,
        "monolith.drain",
        "true",
        "'never', 'approve' or 'auto'; choose one of them",
    ),
    (
        DEFAULT,
        {"action": "forwrd"},
        "monolith.default_action.action",
        '"forwrd"',
        "choose one of them",
    ),
    (
        DEFAULT,
        {"service": "users"},
        "monolith.default_action.action",
        '{"service": "users"}',
        "add it, with one of",
    ),
    (DEFAULT, {"action": "forward"}, "monolith.default_action.service", "is missing", "add it"),
    (DEFAULT, "keep", "monolith.default_action", '"keep"', "write keys and values"),
    (SHIFT, {"strategy": "blue"}, "traffic.shift.strategy", '"blue"', "choose one of them"),
    (
        ("fan_out",),
        "threads",
        "fan_out",
        '"threads"',
        "'in_process' or 'work_pool'; choose one of them",
    ),
    # Bounds
    ((*USERS, "port"), 70000, "services[0].port", "70000", "less than or equal to 65535; lower it"),
    (
        (*USERS, "desired_count"),
        0,
        "services[0].desired_count",
        "0",
        "greater than or equal to 1; raise it",
    ),
    (
        (*USERS, "memory"),
        100,
        "services[0].memory",
        "100",
        "greater than or equal to 512; raise it",
    ),
    (
        (*USERS, "deregistration_delay"),
        3601,
        "services[0].deregistration_delay",
        "3601",
        "lower it",
    ),
    (
        (*GATES, "max_5xx_rate"),
        1.5,
        "traffic.gates.max_5xx_rate",
        "1.5",
        "less than or equal to 1; lower it",
    ),
    (
        (*GATES, "latency_ratio"),
        {"p95": 0},
        "traffic.gates.latency_ratio.p95",
        "0",
        "greater than 0; raise it",
    ),
    (SHIFT, {"strategy": "canary", "weight": 100}, "traffic.shift.weight", "100", "lower it"),
    (("max_parallel",), 0, "max_parallel", "0", "greater than or equal to 1; raise it"),
    (("stable_timeout",), float("nan"), "stable_timeout", "NaN", "write digits"),
    # Lists that need an item
    (("services",), [], "services", "[]", "give at least one"),
    ((*USERS, "path_patterns"), [], "services[0].path_patterns", "[]", "give at least one"),
    (("network", "subnets"), [], "network.subnets", "[]", "give at least one"),
    (SHIFT, {"strategy": "steps", "list": []}, "traffic.shift.list", "[]", "give at least one"),
    # Forms
    (("name",), "Forum Split", "name", '"Forum Split"', "write it like 'forum-split'"),
    (("aws", "region"), "frankfurt", "aws.region", '"frankfurt"', "write it like 'eu-central-1'"),
    (
        ("aws", "endpoint_url"),
        "localhost",
        "aws.endpoint_url",
        '"localhost"',
        "write it like 'http://",
    ),
    ((*USERS, "name"), "Users", "services[0].name", '"Users"', "write it like 'users'"),
    ((*USERS, "name"), "my--users", "services[0].name", '"my--users"', "write it like 'users'"),
    (
        (*USERS, "name"),
        "u" * 30,
        "services[0].name",
        '"' + "u" * 30,
        "at most 29 characters; shorten it",
    ),
    (
        (*USERS, "secrets"),
        {"KEY_FILE": "x"},
        "services[0].secrets.KEY_FILE",
        '"x"',
        "write it like 'arn:aws:secrets",
    ),
    (
        ("execution_role_arn",),
        "role/x",
        "execution_role_arn",
        '"role/x"',
        "write it like 'arn:aws:iam::",
    ),
    (("docker_host",), "localhost", "docker_host", '"localhost"', "write it like 'unix:///"),
    (
        ("listener", "url"),
        "http://x/",
        "listener.url",
        '"http://x/"',
        "write it like 'https://forum.example.com'",
    ),
    (("network", "subnets"), ["a"], "network.subnets[0]", '"a"', "write it like 'subnet-"),
    (
        (*USERS, "checks"),
        [{"path": "x"}],
        "services[0].checks[0].path",
        '"x"',
        "write it like '/api/users/1'",
    ),
    (
        (*USERS, "parity"),
        {"ignore": ["at"]},
        "services[0].parity.ignore[0]",
        '"at"',
        "write it like '/generated_at'",
    ),
    (
        (*USERS, "task_role_policy"),
        [{"actions": ["*"], "resources": ["*"]}],
        "services[0].task_role_policy[0].actions[0]",
        '"*"',
        "write it like 's3:GetObject'",
    ),
    (
        (*USERS, "health_check"),
        {"matcher": "2xx"},
        "services[0].health_check.matcher",
        '"2xx"',
        "like '200-299'",
    ),
    # Path patterns
    (
        (*USERS, "path_patterns"),
        ["api"],
        "services[0].path_patterns[0]",
        "'api'",
        "begin it with `/`",
    ),
    (
        (*USERS, "path_patterns"),
        ["/a", "/b#c"],
        "services[0].path_patterns[1]",
        "'/b#c'",
        "use only letters",
    ),
    (
        (*USERS, "path_patterns"),
        ["/a\n"],
        "services[0].path_patterns[0]",
        r"'/a\n'",
        "use only letters",
    ),
    (
        (*USERS, "path_patterns"),
        ["/" + "a" * 128],
        "services[0].path_patterns[0]",
        "'/aaa",
        "shorten it",
    ),
    (
        (*USERS, "path_patterns"),
        ["/*a*b*c*d*?"],
        "services[0].path_patterns[0]",
        "'/*a*b*c*d*?'",
        "use fewer",
    ),
    ((*USERS, "path_patterns"), ["/a", "/a"], "services[0].path_patterns", "'/a'", "list it once"),
    (
        ("services", 1, "path_patterns"),
        ["/x", "/api/users*"],
        "services[1].path_patterns[1]",
        "(users)",
        "leave it to",
    ),
    # Fields that do not go together
    (
        (*USERS, "memory"),
        4096,
        "services[0].memory",
        "memory 4096 is not valid for cpu 256",
        "use one of 512, 1024, 2048",
    ),
    (
        (*USERS, "health_check"),
        {"timeout": 10},
        "services[0].health_check.timeout",
        "10",
        "lower the timeout",
    ),
    (
        (*USERS, "image"),
        "users:1",
        "services[0].build / image",
        "both are given",
        "give exactly one",
    ),
    ((*USERS, "build"), GONE, "services[0].build / image", "neither is given", "give exactly one"),
    (SHIFT, STEPS_FALLING, "traffic.shift.list", "[50, 10, 100]", "put them in rising order"),
    (SHIFT, STEPS_TO_90, "traffic.shift.list", "[50, 90]", "end with 100"),
    (
        (*GATES, "metrics_period"),
        7,
        "traffic.gates.metrics_period",
        "7",
        "use 1, 5, 10, 30 or a multiple of 60",
    ),
    (
        (*USERS, "name"),
        "forum",
        "services[0].name",
        "'forum'",
        "taken by monolith.service; choose another",
    ),
    (
        ("services", 1, "name"),
        "users",
        "services[1].name",
        "'users'",
        "taken by services[0].name; choose another",
    ),
    (
        DEFAULT,
        {"action": "forward", "service": "mail"},
        "monolith.default_action.service",
        "'mail'",
        "choose one of users, posts",
    ),
    (
        (*USERS, "checks"),
        [{"path": "/a", "json_schema": {"type": "nope"}}],
        "services[0].checks[0].json_schema",
        "'nope'",
        "fix it",
    ),
]


def mutated(*changes: tuple[tuple[Any, ...], Any]) -> str:
    """The good config as YAML, with values put at paths, or taken away."""
    data = copy.deepcopy(yaml.safe_load(GOOD))
    for path, value in changes:
        place = data
        for part in path[:-1]:
            place = place[part] if isinstance(place, list) else place.setdefault(part, {})
        if value is GONE:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    return yaml.safe_dump(data, sort_keys=False)


def refusal(path: Path, text: str | bytes) -> list[str]:
    """The lines with which loading the text is refused."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidConfig) as caught:
        load_config(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("path", "value", "field", "shown", "remedy"),
    FAULTS,
    ids=[f"{index}-{row[2]}" for index, row in enumerate(FAULTS)],
)
def test_a_fault_is_one_line_with_field_value_and_remedy(
    tmp_path, path, value, field, shown, remedy
):
    head, *lines = refusal(tmp_path / "split.yaml", mutated((path, value)))
    assert (head, len(lines)) == (f"{tmp_path / 'split.yaml'} is not valid:", 1)
    before, _, after = lines[0].strip().partition(": ")
    assert before == field
    assert shown in after
    assert remedy in after


def test_the_table_starts_from_a_config_that_is_valid(tmp_path):
    (tmp_path / "split.yaml").write_text(GOOD)
    assert load_config(tmp_path / "split.yaml").service("users").name == "users"


def test_faults_in_several_places_are_all_reported_at_once(tmp_path):
    text = mutated(
        (("aws", "region"), "x"), ((*USERS, "port"), 0), (("services", 1, "cpu"), 3), (("nme",), 1)
    )
    lines = refusal(tmp_path / "split.yaml", text)[1:]
    assert sorted(line.strip().partition(":")[0] for line in lines) == [
        "aws.region",
        "nme",
        "services[0].port",
        "services[1].cpu",
    ]


def test_faults_between_fields_of_one_service_are_all_reported_at_once(tmp_path):
    arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/a"
    text = mutated(
        ((*USERS, "memory"), 4096),
        ((*USERS, "image"), "users:1"),
        ((*USERS, "environment"), {"A": "x", "B": "x"}),
        ((*USERS, "secrets"), {"A": arn, "B": arn}),
    )
    fields = [
        line.strip().partition(": ")[0] for line in refusal(tmp_path / "split.yaml", text)[1:]
    ]
    assert fields == [
        "services[0].build / image",
        "services[0].memory",
        "services[0].environment.A",
        "services[0].environment.B",
    ]


def test_every_bad_pattern_of_a_service_is_reported(tmp_path):
    text = mutated(((*USERS, "path_patterns"), ["a", "/fine", "/b c"]))
    fields = [line.strip().partition(":")[0] for line in refusal(tmp_path / "split.yaml", text)[1:]]
    assert fields == ["services[0].path_patterns[0]", "services[0].path_patterns[2]"]


def test_faults_between_services_are_all_reported_at_once(tmp_path):
    text = mutated(
        (("services", 1, "name"), "users"),
        (("services", 1, "path_patterns"), ["/api/users*"]),
        (DEFAULT, {"action": "forward", "service": "mail"}),
    )
    assert len(refusal(tmp_path / "split.yaml", text)) == 1 + 3


@pytest.mark.parametrize(
    ("gate", "value", "remedy"),
    [
        ("source", "probes", "or use cloudwatch"),
        ("too_little_traffic", "synthesize", "or use wait"),
    ],
)
def test_gates_that_need_paths_are_refused_for_a_service_without_any(tmp_path, gate, value, remedy):
    text = mutated(((*GATES, gate), value), ((*USERS, "checks"), [{"path": "/api/users/1"}]))
    (line,) = refusal(tmp_path / "split.yaml", text)[1:]
    assert line.strip().startswith(f"traffic.gates.{gate}: ")
    assert "services[1]" in line
    assert line.endswith(remedy)


def test_a_variable_that_is_a_secret_as_well_is_refused(tmp_path):
    arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/a"
    text = mutated(((*USERS, "environment"), {"A": "x"}), ((*USERS, "secrets"), {"A": arn}))
    assert refusal(tmp_path / "split.yaml", text)[1:] == [
        "  services[0].environment.A: is a secret as well; keep one of the two"
    ]


def test_the_value_of_a_misplaced_credential_is_not_repeated(tmp_path):
    text = mutated((("aws", "secret_access_key"), "wJalrXUtnFEMI"))
    assert "wJalrXUtnFEMI" not in "\n".join(refusal(tmp_path / "split.yaml", text))


def test_a_long_value_is_cut_short(tmp_path):
    text = mutated((("aws", "region"), "x" * 5000))
    assert len(refusal(tmp_path / "split.yaml", text)[1]) < 250


def test_a_value_that_contains_itself_is_a_fault_like_any_other(tmp_path):
    assert (
        "aws: "
        in refusal(
            tmp_path / "split.yaml", GOOD.replace("aws: {region: eu-central-1}", "aws: &a [*a]")
        )[1]
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "name: [", ("invalid YAML at line 1:", "(column 8); fix that line"), id="syntax"
        ),
        pytest.param(
            "a: 1\nb: {c: 1, c: 2}\n",
            ("invalid YAML at line 2: duplicate key 'c' (column 11); fix that line",),
            id="twice",
        ),
        pytest.param(
            "? [a]\n: 1\n",
            ("at line 1:", "unhashable key", "(column 3); fix that line"),
            id="a list as key",
        ),
        pytest.param(
            "a: 1\n---\nb: 1\n",
            ("at line 2:", "another document", "(column 1); fix that line"),
            id="two documents",
        ),
        pytest.param(
            "a: !!python/object:x {}\n",
            ("at line 1:", "constructor", "(column 4); fix that line"),
            id="python tag",
        ),
        pytest.param(
            "name: 2026-02-30\n",
            ("invalid YAML:", "day is out of range", "fix that value"),
            id="no such day",
        ),
        pytest.param(
            "name: a\x01\n",
            ("invalid YAML:", "not allowed", "fix that value"),
            id="control character",
        ),
        pytest.param("", ("is empty", "write keys such as name"), id="empty"),
        pytest.param("- a\n", ("is a list, not a mapping", "write keys such as name"), id="a list"),
        pytest.param(
            "hello\n", ("is a str, not a mapping", "write keys such as name"), id="a word"
        ),
        pytest.param(b"name: \xff\n", ("byte 6 is not UTF-8", "save it as UTF-8"), id="Latin-1"),
    ],
)
def test_a_file_that_is_not_a_yaml_mapping_is_refused(tmp_path, text, words):
    message = "\n".join(refusal(tmp_path / "split.yaml", text))
    assert message.startswith(str(tmp_path / "split.yaml"))
    assert [word for word in words if word not in message] == []


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(
        InvalidConfig, match=r"nowhere\.yaml: no such file; give the path of a split\.yaml"
    ):
        load_config(tmp_path / "nowhere.yaml")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InvalidConfig, match=r"is a folder; give the path of a split\.yaml in it"):
        load_config(tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    # A link to itself: permissions do not stop root, who may run this.
    (tmp_path / "split.yaml").symlink_to("split.yaml")
    with pytest.raises(
        InvalidConfig,
        match=r"split\.yaml: cannot be read \(.+\); check the path and its permissions",
    ):
        load_config(tmp_path / "split.yaml")
