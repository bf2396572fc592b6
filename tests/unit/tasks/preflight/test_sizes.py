"""What is larger than AWS allows, before anything is made."""

import pytest

from config.split import SplitConfig
from tasks.aws.tags import Owner
from tasks.preflight.sizes import check_sizes


def check(**service):
    made = {"name": "cart", "path_patterns": ["/cart*"], "image": "cart:1", **service}
    config = SplitConfig.model_validate(
        {
            "name": "shop",
            "aws": {"region": "eu-central-1"},
            "cluster": "shop",
            "monolith": {"service": "web"},
            "services": [made],
        }
    )
    return check_sizes(config, "services[0]", config.services[0], Owner("shop", "cart"))


def test_an_ordinary_service_fits():
    assert check(environment={"A": "1"}) == []


@pytest.mark.parametrize(
    ("service", "finding"),
    [
        (
            {"environment": {"CATALOG": "x" * 66_000}},
            "services[0].environment: the task definition has 66",
        ),
        (
            {"environment": {f"V{n}": "ä" * 30 for n in range(800)}},
            "services[0].environment: the task definition has ",
        ),
        (
            {
                "task_role_policy": [
                    {
                        "actions": ["s3:GetObject"],
                        "resources": [f"arn:aws:s3:::bucket-{n}/*" for n in range(500)],
                    }
                ]
            },
            "services[0].task_role_policy: 1 statements have 1",
        ),
        (
            {"health_check": {"path": "/" + "h" * 1024}},
            "services[0].health_check.path: /hhhh",
        ),
        ({"environment": {"A=B": "1"}}, "services[0].environment: 'A=B' is not a variable's name"),
        ({"environment": {"A": "a\0b"}}, "services[0].environment.A: has a NUL"),
        (
            {"traffic": {"gates": {"alarms": ["a" * 256]}}},
            "services[0].traffic.gates.alarms[0]: aaaa",
        ),
        (
            {"traffic": {"gates": {"alarms": [f"a{n}" for n in range(101)]}}},
            "services[0].traffic.gates.alarms: 101 are listed",
        ),
    ],
)
def test_what_aws_would_refuse_is_named_with_its_remedy(service, finding):
    (line,) = check(**service)
    assert line.startswith(finding)
    assert ";" in line
