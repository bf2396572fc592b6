"""One run at a time: the lock on the listener, taken, refused, taken over and lost."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import botocore.exceptions
import pytest

from config.errors import LockLost, RunRefused
from config.load import load_config
from tasks.aws.tags import tag_list
from tasks.discovery import discover
from tasks.elbv2 import lock
from tasks.elbv2.lock import Holder, hold_listener, is_abandoned, release_lock, take_lock
from tasks.elbv2.rule import read_rules
from tasks.elbv2.rule_matching import LOCK, ROLE

ELSEWHERE = "another-machine"


@pytest.fixture
def listener(sandbox):
    """Config and listener ARN; whatever lock a test leaves goes afterwards."""
    config = load_config(Path(sandbox.state["config"]))
    arn = discover.plain(config).listener_arn
    yield config.aws, arn
    for rule in locks(config.aws, arn):
        sandbox.boto("elbv2").delete_rule(RuleArn=rule.arn)


def locks(aws, arn):
    return [rule for rule in read_rules(aws, arn) if rule.tags.get(ROLE) == LOCK]


def take_as(sandbox, listener, **changes):
    """Take the lock as somebody else would have, with these values in its tags."""
    rule = take_lock.plain(*listener, "their run")
    held = Holder.from_tags(locks(*listener)[0].tags)
    theirs = Holder(**{**vars(held), **changes})
    sandbox.boto("elbv2").add_tags(ResourceArns=[rule], Tags=tag_list(theirs.tags))
    return rule


@pytest.fixture
def dead_process():
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def boot():
    """As the lock names this start of the machine, and the processes that see each other on it."""
    started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{started}.{Path('/proc/self/ns/pid').stat().st_ino}"


def test_a_runs_name_is_written_in_the_characters_of_a_tag(listener):
    take_lock.plain(*listener, "split forum (nightly) #7")
    assert [Holder.from_tags(held.tags).run for held in locks(*listener)] == [
        "split forum -nightly- -7"
    ]


def test_a_free_listener_is_taken(listener):
    rule = take_lock.plain(*listener, "our run")
    assert [(held.arn, Holder.from_tags(held.tags).run) for held in locks(*listener)] == [
        (rule, "our run")
    ]


def test_a_released_listener_is_free(listener):
    release_lock(listener[0], take_lock.plain(*listener, "our run"))
    assert locks(*listener) == []


def test_releasing_twice_does_no_harm(listener):
    rule = take_lock.plain(*listener, "our run")
    release_lock(listener[0], rule)
    release_lock(listener[0], rule)


def test_no_request_of_a_user_matches_the_lock(sandbox, listener):
    take_lock.plain(*listener, "our run")
    assert sandbox.get("/api/users")[1]["X-Served-By"] == "monolith"


def test_a_second_run_is_refused_with_the_name_of_the_first(sandbox, listener):
    take_as(sandbox, listener, started=1_700_000_000)
    with pytest.raises(RunRefused) as refused:
        take_lock.plain(*listener, "our run")
    begun = (
        f"their run on {socket.gethostname()} (process {os.getpid()}), started 2023-11-14 "
        "22:13:20 UTC"
    )
    assert f"another run holds the listener: {begun}" in str(refused.value)


def test_the_lock_of_another_machine_is_respected_while_it_is_renewed(
    sandbox, listener, dead_process
):
    take_as(
        sandbox,
        listener,
        host=ELSEWHERE,
        process=f"{dead_process}@{boot()}",
        renewed=time.time() - 30,
    )
    with pytest.raises(RunRefused, match=f"their run on {ELSEWHERE}"):
        take_lock.plain(*listener, "our run")


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param({"host": ELSEWHERE, "renewed": 0.0}, id="of another machine, and not renewed"),
        pytest.param({"process": "1@another-boot"}, id="from before this machine's last start"),
    ],
)
def test_the_lock_of_a_dead_run_is_taken_over(sandbox, listener, evidence):
    take_as(sandbox, listener, **evidence)
    take_lock.plain(*listener, "our run")
    assert [Holder.from_tags(held.tags).run for held in locks(*listener)] == ["our run"]


def test_the_lock_of_a_killed_process_of_this_machine_is_taken_over_at_once(
    sandbox, listener, dead_process
):
    take_as(sandbox, listener, process=f"{dead_process}@{boot()}")
    take_lock.plain(*listener, "our run")
    assert [Holder.from_tags(held.tags).run for held in locks(*listener)] == ["our run"]


@pytest.mark.parametrize(("process", "abandoned"), [("1@another-boot", True), (None, False)])
def test_only_a_dead_runs_lock_is_abandoned(sandbox, listener, process, abandoned):
    take_as(sandbox, listener, **({"process": process} if process else {}))
    assert is_abandoned(read_rules(*listener)) == abandoned


def test_a_third_run_may_delete_the_lock_of_a_dead_run_in_the_meantime(
    sandbox, listener, monkeypatch
):
    gone = take_as(sandbox, listener, process="1@another-boot")
    seen = lock.read_rules

    def delete_after_reading(*arguments):
        rules = seen(*arguments)
        sandbox.boto("elbv2").delete_rule(RuleArn=gone)
        return rules

    monkeypatch.setattr(lock, "read_rules", delete_after_reading)
    assert take_lock.plain(*listener, "our run") != gone


def test_a_lock_whose_response_was_lost_is_the_runs_own(listener):
    rule = take_lock.plain(*listener, "our run")
    assert take_lock.plain(*listener, "our run") == rule


def test_a_rule_of_others_at_the_locks_priority_is_refused(sandbox, listener):
    elb = sandbox.boto("elbv2")
    made = elb.create_rule(
        ListenerArn=listener[1],
        Priority=50_000,
        Conditions=[{"Field": "path-pattern", "Values": ["/theirs"]}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )
    try:
        with pytest.raises(RunRefused, match="priority 50000 is taken by"):
            take_lock.plain(*listener, "our run")
    finally:
        elb.delete_rule(RuleArn=made["Rules"][0]["RuleArn"])


async def hold(listener, running):
    async with hold_listener(*listener, "our run"):
        running.set()
        await asyncio.Event().wait()


@pytest.fixture
def hasty(monkeypatch):
    """
    Renewals every tenth of a second, and the task without Prefect, which does not matter here.
    """
    monkeypatch.setattr(lock, "_RENEW_EVERY", 0.1)
    monkeypatch.setattr(lock, "take_lock", take_lock.fn)


@pytest.mark.usefixtures("hasty")
async def test_a_holder_renews_its_lock(sandbox, listener):
    running = asyncio.Event()
    holding = asyncio.create_task(hold(listener, running))
    await running.wait()
    sandbox.boto("elbv2").add_tags(
        ResourceArns=[locks(*listener)[0].arn], Tags=tag_list({"split:lock-renewed": "0"})
    )
    async with asyncio.timeout(20):
        while Holder.from_tags(locks(*listener)[0].tags).renewed == 0:  # noqa: ASYNC110 - AWS has no event for it
            await asyncio.sleep(0.05)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


@pytest.mark.usefixtures("hasty")
async def test_a_cancelled_holder_releases_it(listener):
    running = asyncio.Event()
    holding = asyncio.create_task(hold(listener, running))
    await running.wait()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert locks(*listener) == []


@pytest.mark.usefixtures("hasty")
async def test_a_holder_that_cannot_renew_ends_before_another_run_may_take_over(
    listener, monkeypatch
):
    monkeypatch.setattr(lock, "STALE_AFTER", 0.5)
    running = asyncio.Event()
    holding = asyncio.create_task(hold(listener, running))
    await running.wait()
    monkeypatch.setattr(lock, "_renew", refuse_renewal)
    async with asyncio.timeout(20):
        with pytest.raises(LockLost, match="could not renew its lock"):
            await holding


def refuse_renewal(*_):
    raise botocore.exceptions.ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "no"}}, "AddTags"
    )


@pytest.mark.usefixtures("hasty")
async def test_a_holder_whose_lock_was_taken_over_ends(sandbox, listener):
    running = asyncio.Event()
    holding = asyncio.create_task(hold(listener, running))
    await running.wait()
    sandbox.boto("elbv2").delete_rule(RuleArn=locks(*listener)[0].arn)
    async with asyncio.timeout(20):
        with pytest.raises(LockLost, match="run again when it has ended"):
            await holding
