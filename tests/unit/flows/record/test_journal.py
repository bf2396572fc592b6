"""The journal receives every event of its run, and nothing else."""

import asyncio

from flows.record.events import emit
from flows.record.journal import Journal, current_journal, recording_in, start_journal


def test_events_are_recorded_in_order():
    with recording_in(Journal()) as journal:
        emit("note", "users", "one")
        emit("note", None, "two", numbers={"count": 2})
    assert [(event.service, event.text, event.numbers) for event in journal.events] == [
        ("users", "one", {}),
        (None, "two", {"count": 2}),
    ]


def test_events_from_tasks_of_the_run_are_recorded():
    async def work():
        emit("note", "users", "from a task")

    async def run():
        await asyncio.gather(asyncio.create_task(work()))

    with recording_in(Journal()) as journal:
        asyncio.run(run())
    assert [event.text for event in journal.events] == ["from a task"]


def test_events_after_the_run_are_not_recorded():
    with recording_in(Journal()) as journal:
        pass
    emit("note", None, "later")
    assert journal.events == []


def test_a_listener_is_called_with_each_event_while_its_block_runs():
    seen = []
    journal = Journal()
    with journal.shown_by(seen.append):
        event = journal.add("note", None, "shown")
    journal.add("note", None, "not shown")
    assert seen == [event]


def test_a_run_without_a_command_line_has_a_journal_of_its_own():
    async def run():
        start_journal()
        emit("note", None, "on a worker")
        return current_journal().events

    events = asyncio.run(run())
    assert [event.text for event in events] == ["on a worker"]
