"""
A monolith with autoscaling, whose requests move away and come back: it must never be too small for
what may return to it.

Each of its tasks bears 15 requests a second, and users send 25.
"""

import pytest

from tests.e2e import aws_state
from tests.e2e.configs import at_half_weight, edited_config, hasten_drain, only, quick
from tests.e2e.runs import wait_until

pytestmark = pytest.mark.timeout(300)

PATH = "/api/users/1"
TASKS = 4
RATE, RATE_OF_A_TASK = 25, 15
GROUP = "forum-monolith-tg"
SCALING = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/forum/monolith",
    "ScalableDimension": "ecs:service:DesiredCount",
}


def stays(config):
    """An edit: the monolith is not drained."""
    config["monolith"] |= {"drain": "never", "default_action": {"action": "keep"}}


class Story:
    """A split under users' requests; the monolith scales in after it; then the rollback."""

    def __init__(self, sandbox, directory, start_run, start_client):
        self.sandbox = sandbox
        hasten_drain(sandbox)
        self._grow()
        edits = only("users"), quick, at_half_weight(2), stays
        config = edited_config(sandbox, directory, *edits)
        client = start_client(sandbox, PATH, rate=RATE)
        self.split = start_run(config)
        self.split.wait_while_running(lambda: aws_state.weight(sandbox, "users") == 50)
        self.suspended_while_shifting = self._suspended()
        self.split.wait()
        self.suspended_after_the_split = self._suspended()
        self.tags_after_the_split = aws_state.read_services(sandbox)["monolith"]["tags"]
        self._scale_in()
        self.rollback = start_run(config, module="flows.rollback")
        self.rollback.wait()
        self.traffic = client.end()

    def _grow(self):
        """Four tasks, of a revision that bears little, and autoscaling that may leave one."""
        ecs = self.sandbox.boto("ecs")
        held = aws_state.read_services(self.sandbox)["monolith"]
        found = ecs.describe_task_definition(taskDefinition=held["taskDefinition"])
        (container,) = found["taskDefinition"]["containerDefinitions"]
        container["environment"] = [{"name": "FORUM_MAX_RATE", "value": str(RATE_OF_A_TASK)}]
        fields = ("family", "networkMode", "cpu", "memory", "executionRoleArn")
        made = ecs.register_task_definition(
            **{field: found["taskDefinition"][field] for field in fields},
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[container],
        )
        self.sandbox.boto("application-autoscaling").register_scalable_target(
            MinCapacity=1, MaxCapacity=8, **SCALING
        )
        revision = made["taskDefinition"]["taskDefinitionArn"]
        self._update(taskDefinition=revision, desiredCount=TASKS)
        wait_until(lambda: self._deployments() == [revision], 60)
        wait_until(lambda: self._targets() == ["healthy"] * TASKS, 60)

    def _scale_in(self):
        """What autoscaling does with a monolith that hardly gets requests."""
        self._update(desiredCount=1)
        wait_until(lambda: self._targets() == ["healthy"], 60)

    def _update(self, **changes):
        self.sandbox.boto("ecs").update_service(cluster="forum", service="monolith", **changes)

    def _deployments(self):
        service = aws_state.read_services(self.sandbox)["monolith"]
        return [item["taskDefinition"] for item in service["deployments"]]

    def _targets(self):
        return aws_state.target_states(self.sandbox, GROUP)

    def _suspended(self):
        autoscaling = self.sandbox.boto("application-autoscaling")
        found = autoscaling.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[SCALING["ResourceId"]]
        )
        state = found["ScalableTargets"][0].get("SuspendedState") or {}
        return sorted(kind for kind, suspended in state.items() if suspended)


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    return Story(start_module_sandbox(), module_directory, start_module_run, start_module_client)


def test_the_monolith_cannot_scale_in_while_its_requests_may_return(story):
    assert story.suspended_while_shifting == ["DynamicScalingInSuspended"]


def test_its_scaling_is_as_before_once_the_service_has_settled(story):
    assert story.split.ended == (0, "completed"), story.split.log
    assert story.suspended_after_the_split == []
    assert story.tags_after_the_split == []


def test_a_monolith_that_has_scaled_in_grows_before_its_requests_return(story):
    assert story.rollback.ended == (0, "completed"), story.rollback.log
    assert aws_state.desired_counts(story.sandbox)["monolith"] == TASKS
    assert aws_state.weight(story.sandbox, "users") == 0


def test_its_scaling_is_as_before_after_the_rollback(story):
    assert story._suspended() == []


def test_no_user_sees_a_failure_when_requests_return_to_a_monolith_that_has_scaled_in(story):
    assert story.traffic["requests"] > 100
    assert story.traffic["failed"] == 0
