"""
Bad input as a user meets it: one clear message, exit 2, AWS untouched; and a taken name, taken over
on purpose.
"""

import socket
import time

import pytest

from tests.e2e.runs import edited_config, only, quick

SECONDS_TO_A_MESSAGE = 5
OTHER_SPLIT = {"split:managed-by": "ecs-splitter", "split:config": "shop"}


def changes(sandbox, before):
    """What was changed in AWS since then."""
    return [call["action"] for call in sandbox.record()[before:] if call["mutating"]]


def assert_refused(run, *words):
    """It ends with 2 and one message on stderr and in the JSON object, and shows no traceback."""
    assert run.wait() == 2, run.log
    assert run.outcome["status"] == "refused"
    assert [word for word in words if word not in run.outcome["error"]] == []
    assert "Traceback" not in run.log


def endpoint(url):
    def edit(config):
        config["aws"]["endpoint_url"] = url

    return edit


def nobody(config):
    config["aws"]["shared_credentials_file"] = "nowhere"
    config["aws"]["profile"] = "prodution"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(nobody, ("aws.profile: prodution", "log in with"), id="an unknown profile"),
        pytest.param(
            endpoint(closed_port()), ("aws.endpoint_url", "check the address"), id="a dead endpoint"
        ),
    ],
)
def test_what_is_wrong_with_the_way_to_aws_is_said_within_seconds(
    sandbox, start_run, tmp_path, edit, words
):
    began = time.monotonic()
    run = start_run(edited_config(sandbox, tmp_path, edit))
    assert_refused(run, *words)
    assert time.monotonic() - began < SECONDS_TO_A_MESSAGE + _start_of_python(start_run, tmp_path)


def _start_of_python(start_run, tmp_path):
    """
    Seconds that the program takes to say that there is no such config: how busy this machine is.
    """
    began = time.monotonic()
    start_run(tmp_path / "nowhere.yaml").wait()
    return time.monotonic() - began


def test_a_config_that_is_not_there_is_refused(start_run, tmp_path):
    assert_refused(
        start_run(tmp_path / "nowhere.yaml"), "nowhere.yaml: no such file; give the path"
    )


def test_an_option_that_is_none_is_refused(start_run, tmp_path):
    assert_refused(start_run(tmp_path / "split.yaml", "--dry-run"), "--dry-run")


def test_an_environment_that_is_not_right_is_refused_and_untouched(sandbox, start_run, tmp_path):
    def closed(config):
        config["services"][0]["port"] = 3001
        config["docker_host"] = "unix:///nowhere/docker.sock"

    before = len(sandbox.record())
    assert_refused(
        start_run(edited_config(sandbox, tmp_path, closed)),
        "services[0].port: 3001",
        "docker_host: ",
    )
    assert changes(sandbox, before) == []


def take_names(sandbox):
    """
    What a service of the name `users` would make, made by others: by hand, and by another split.
    """
    logs, ecr = sandbox.boto("logs"), sandbox.boto("ecr")
    logs.create_log_group(logGroupName="/ecs/users", tags={"team": "blue"})
    ecr.create_repository(
        repositoryName="users",
        tags=[{"Key": key, "Value": OTHER_SPLIT[key]} for key in OTHER_SPLIT],
    )


def no_engine(config):
    config["docker_host"] = "unix:///nowhere/docker.sock"


@pytest.fixture(scope="module")
def taken(start_module_sandbox, start_module_run, module_directory):
    """
    A sandbox in which names are taken; a run that is refused, one that adopts, and one after that.
    """
    sandbox = start_module_sandbox()
    take_names(sandbox)
    config = edited_config(sandbox, module_directory, only("users"), quick)
    before = len(sandbox.record())
    refused = start_module_run(config)
    refused.wait()
    untouched = changes(sandbox, before)
    adopting = start_module_run(config, "--adopt", "users", "--no-drain")
    adopting.wait()
    before = len(sandbox.record())
    again = start_module_run(
        edited_config(sandbox, module_directory, only("users"), quick, no_engine), "--no-drain"
    )
    again.wait()
    return sandbox, (refused, untouched), adopting, (again, changes(sandbox, before))


def test_taken_names_are_refused_each_with_whose_it_is(taken):
    _, (refused, _), _, _ = taken
    assert_refused(
        refused,
        "log group /ecs/users exists and was not made by this tool",
        "ECR repository users exists and belongs to split 'shop'",
    )


def test_a_refused_run_touches_nothing(taken):
    _, (_, untouched), _, _ = taken
    assert untouched == []


def test_adopting_takes_the_names_over(taken):
    sandbox, _, adopting, _ = taken
    assert adopting.process.returncode == 0, adopting.log
    group = sandbox.boto("logs").describe_log_groups(logGroupNamePrefix="/ecs/users")["logGroups"][
        0
    ]
    arn = group["arn"].removesuffix(":*")
    tags = sandbox.boto("logs").list_tags_for_resource(resourceArn=arn)["tags"]
    assert tags == {
        "team": "blue",
        "split:managed-by": "ecs-splitter",
        "split:config": "forum",
        "split:service": "users",
        "split:adopted": "true",
    }


def test_what_was_adopted_is_this_split_s_from_then_on(taken):
    _, _, _, (again, changed) = taken
    assert (again.outcome["status"], changed) == ("unchanged", []), again.log


def test_a_run_that_has_nothing_to_build_needs_no_engine(taken):
    _, _, _, (again, _) = taken
    assert again.process.returncode == 0, again.log
