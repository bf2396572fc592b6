"""
Bad input as a user meets it: one clear message, exit 2, AWS untouched; and names that are taken,
which a run can adopt.
"""

import time

import pytest

from tests.e2e.configs import edited_config, only, quick
from tests.ports import free_port

SECONDS_TO_A_MESSAGE = 5
OTHER_SPLIT = {"split:managed-by": "ecs-splitter", "split:config": "shop"}


def assert_refused(run, *texts):
    """It ends with 2, with the texts in the error of its JSON object, and without a traceback."""
    assert run.wait() == 2, run.log
    assert run.outcome["status"] == "refused"
    assert [text for text in texts if text not in run.outcome["error"]] == []
    assert "Traceback" not in run.log


def endpoint(url):
    def edit(config):
        config["aws"]["endpoint_url"] = url

    return edit


def unknown_profile(config):
    config["aws"]["shared_credentials_file"] = "nowhere"
    config["aws"]["profile"] = "prodution"


def test_a_config_that_is_not_there_is_refused(start_run, tmp_path):
    assert_refused(start_run(tmp_path / "nowhere.yaml"), "nowhere.yaml: no such file")


@pytest.mark.parametrize(
    ("edit", "texts"),
    [
        pytest.param(
            unknown_profile, ("aws.profile: prodution", "log in with"), id="an unknown profile"
        ),
        pytest.param(
            endpoint(f"http://127.0.0.1:{free_port()}"),
            ("aws.endpoint_url", "check the address"),
            id="a dead endpoint",
        ),
    ],
)
def test_no_way_to_aws_is_refused_within_seconds(sandbox, start_run, tmp_path, edit, texts):
    run = start_run(edited_config(sandbox, tmp_path, edit))
    # It starts beside the other one, and so takes what the start of Python takes at the moment.
    start_run(tmp_path / "nowhere.yaml").wait()
    began = time.monotonic()
    assert_refused(run, *texts)
    assert time.monotonic() - began < SECONDS_TO_A_MESSAGE


def test_an_unknown_option_is_refused(start_run, tmp_path):
    assert_refused(start_run(tmp_path / "split.yaml", "--dry-run"), "--dry-run")


def no_engine(config):
    config["docker_host"] = "unix:///nowhere/docker.sock"


def closed_container_port(config):
    config["services"][0]["port"] = 3001


def test_a_broken_environment_is_refused_and_untouched(sandbox, start_run, tmp_path):
    before = len(sandbox.record())
    config = edited_config(sandbox, tmp_path, closed_container_port, no_engine)
    assert_refused(start_run(config), "services[0].port: 3001", "docker_host: ")
    assert sandbox.changes(before) == []


def take_names(sandbox):
    """
    What a service of the name `users` would make, made by others: by hand, and by another split.
    """
    sandbox.boto("logs").create_log_group(logGroupName="/ecs/users", tags={"team": "blue"})
    sandbox.boto("ecr").create_repository(
        repositoryName="users",
        tags=[{"Key": key, "Value": value} for key, value in OTHER_SPLIT.items()],
    )


class Adoption:
    """
    Runs on names that are taken: one is refused, one adopts them, one has nothing left to do.

    Each has its changes of AWS as `calls`.
    """

    def __init__(self, sandbox, directory, start_run):
        self.sandbox = sandbox
        self._directory = directory
        self._start = start_run
        take_names(sandbox)
        self.refused = self._run([])
        self.adopting = self._run(["--adopt", "users", "--no-drain"])
        self.again = self._run(["--no-drain"], no_engine)

    def _run(self, arguments, *edits):
        before = len(self.sandbox.record())
        config = edited_config(self.sandbox, self._directory, only("users"), quick, *edits)
        run = self._start(config, *arguments)
        run.wait()
        run.calls = self.sandbox.changes(before)
        return run


@pytest.fixture(scope="module")
def adoption(start_module_sandbox, start_module_run, module_directory):
    return Adoption(start_module_sandbox(), module_directory, start_module_run)


def test_taken_names_are_refused_each_with_its_owner(adoption):
    assert_refused(
        adoption.refused,
        "log group /ecs/users exists and was not made by this tool",
        "ECR repository users exists and belongs to split 'shop'",
    )


def test_a_refused_run_changes_nothing(adoption):
    assert adoption.refused.calls == []


def test_adopting_tags_what_is_there(adoption):
    logs = adoption.sandbox.boto("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/ecs/users")["logGroups"]
    tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    assert adoption.adopting.ended == (0, "completed"), adoption.adopting.log
    assert tags == {
        "team": "blue",
        "split:managed-by": "ecs-splitter",
        "split:config": "forum",
        "split:service": "users",
        "split:adopted": "true",
    }


def test_what_was_adopted_belongs_to_this_split_from_then_on(adoption):
    assert (adoption.again.outcome["status"], adoption.again.calls) == ("unchanged", [])


def test_a_run_that_has_nothing_to_build_needs_no_engine(adoption):
    assert adoption.again.process.returncode == 0, adoption.again.log
