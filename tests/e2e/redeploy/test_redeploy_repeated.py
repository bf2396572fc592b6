"""
A service that is redeployed again and again: taken back when it answers wrong, pruned, and killed
in the middle of a rollout; each test is about one property.
"""

import signal

import pytest

from tests.e2e import aws_state
from tests.e2e.redeploy.forum import Forum


class Story:
    """A revision that answers wrong, three good ones, and one whose run is killed and repeated."""

    def __init__(self, forum):
        self.sandbox = forum.sandbox
        forum.edit(lambda services: services["users"].update(environment={"FORUM_WRONG_JSON": "1"}))
        self.wrong = self._redeploy(forum)
        forum.edit(lambda services: services["users"].update(environment={}))
        for _ in range(3):
            forum.change("users")
            self.last = self._redeploy(forum)
        self.revisions = aws_state.task_definitions(self.sandbox, "users")
        self.images = {name: aws_state.images(self.sandbox, name) for name in ("users", "posts")}
        forum.change("users")
        self.killed = self._kill_in_rollout(forum)
        self.again = self._redeploy(forum)
        self.traffic = forum.client.end()

    def _redeploy(self, forum):
        return forum.redeploy("--only", "users")

    def _kill_in_rollout(self, forum):
        """Kill a run while it waits for the answer to UpdateService; returns its exit code."""
        self.sandbox.faults("hold=UpdateService")
        run = forum.start_redeploy("--only", "users")
        run.wait_while_running(self.sandbox.is_holding, 120)
        code = run.kill()
        self.sandbox.faults("")
        return code


def keep_one_image(config):
    config["keep_images"] = 1


@pytest.fixture(scope="module")
def story(start_module_sandbox, start_module_run, start_module_client, module_directory):
    forum = Forum(
        start_module_sandbox(),
        module_directory,
        start_module_run,
        start_module_client,
        keep_one_image,
        services=("users", "posts"),
    )
    return Story(forum)


def test_a_revision_that_answers_wrong_is_taken_back(story):
    assert story.wrong.ended == (1, "failed"), story.wrong.log
    assert "users is back on users-task-def:1" in story.wrong.outcome["error"]


def test_old_revisions_are_pruned_but_for_the_kept_ones_and_the_one_before(story):
    assert story.last.ended == (0, "completed"), story.last.log
    # 5 runs, 4 ran before it, and 3 is the one that is kept beside those.
    assert [item["revision"] for item in story.revisions] == [3, 4, 5]


def test_old_images_are_pruned_as_their_revisions_are(story):
    assert len(story.images["users"]) == 3


def test_every_active_revision_has_its_image(story):
    images = [item["containerDefinitions"][0]["image"] for item in story.revisions]
    digests = {image.partition("@")[2] for image in images}
    assert digests <= set(story.images["users"])


def test_services_that_were_not_redeployed_are_not_pruned(story):
    assert len(story.images["posts"]) == 1


def test_a_redeploy_was_killed_in_its_rollout(story):
    assert story.killed == -signal.SIGKILL


def test_a_rollout_that_a_killed_run_has_left_is_completed_by_the_next(story):
    assert story.again.process.returncode == 0, story.again.log
    assert "RegisterTaskDefinition" not in story.again.calls


def test_no_user_saw_a_failure(story):
    assert story.traffic["requests"] > 100
    assert story.traffic["failed"] == 0
