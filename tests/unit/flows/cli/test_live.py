"""The screen: a live table on a terminal (here a pseudo-terminal), plain lines elsewhere."""

import io
import os
import pty
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli.lines import event_line
from flows.cli.live import Screen
from flows.record.outcome import Event
from flows.report.client_log import ClientLog, summarize
from tests.unit.flows.report import report_data as data

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def failing_log(tmp_path) -> ClientLog:
    (tmp_path / "a").write_text("".join(answer.line() for answer in data.answers("posts")))
    return ClientLog(tmp_path / "a")


def on_terminal(use: Callable[[io.TextIOBase], None]) -> str:
    """What a terminal gets to see of what `use` writes."""
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                return
            seen.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with open(theirs, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
            use(stream)
    finally:
        reader.join(5)
        os.close(ours)
    return b"".join(seen).decode()


def summary(failing: str | None = None, log: ClientLog | None = None) -> str:
    stream = io.StringIO()
    screen = Screen("split", services=data.SERVICES, stream=stream, live=False, client=log)
    outcome = data.outcome(summarize(data.answers(failing)), failing)
    events = tuple(data.events(failing))
    screen.summary(outcome.model_copy(update={"events": events}), Path("report.html"))
    return stream.getvalue()


def test_a_line_has_time_service_and_text():
    line = event_line(Event(0, "weight", "users", "weight 10%", weight=10), width=8).plain
    assert re.fullmatch(r"\d\d:\d\d:\d\d users     weight 10%", line)


def test_a_line_about_no_service_is_the_monoliths():
    assert (
        "monolith  desired count"
        in event_line(Event(0, "drain", None, "desired count 2 -> 0")).plain
    )


def test_a_failed_stage_says_why():
    assert (
        "failed: no image"
        in event_line(Event(0, "stage", "users", "failed", numbers={"error": "no image"})).plain
    )


def test_further_lines_of_a_text_are_aligned_with_its_first():
    first, second = event_line(Event(0, "note", "users", "one\ntwo")).plain.split("\n")
    assert first.index("one") == second.index("two")


def test_without_a_terminal_there_are_only_plain_lines():
    stream = io.StringIO()
    with Screen("split", services=data.SERVICES, stream=stream, live=True) as screen:
        for event in data.events():
            screen.on_event(event)
    assert "\x1b" not in stream.getvalue()


def test_without_a_terminal_every_event_is_one_line():
    stream = io.StringIO()
    with Screen("split", services=data.SERVICES, stream=stream) as screen:
        for event in data.events():
            screen.on_event(event)
    assert stream.getvalue().count("\n") == 1 + len(data.events())


def test_a_terminal_shows_weight_and_traffic(failing_log):
    def use(stream):
        with Screen("split", services=data.SERVICES, stream=stream, client=failing_log) as screen:
            for event in data.events("posts"):
                screen.on_event(event)

    assert "22,500 requests" in on_terminal(use)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_terminal_is_restored_however_the_block_ends(error):
    def use(stream):
        with pytest.raises(error), Screen("split", services=data.SERVICES, stream=stream):
            raise error

    seen = on_terminal(use)
    assert HIDE_CURSOR in seen
    assert seen.rindex(SHOW_CURSOR) > seen.rindex(HIDE_CURSOR)


def test_standard_output_is_left_alone(capsys):
    def use(stream):
        with Screen("split", services=data.SERVICES, stream=stream):
            print('{"status": "completed"}')

    assert "completed" not in on_terminal(use)
    assert capsys.readouterr().out == '{"status": "completed"}\n'


def test_no_color_leaves_out_the_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    def use(stream):
        with Screen("split", services=data.SERVICES, stream=stream) as screen:
            screen.on_event(data.events()[0])

    assert not re.search(r"\x1b\[[\d;]*3[1-7]m", on_terminal(use))


def test_the_summary_begins_with_the_verdict():
    assert (
        summary()
        .lstrip()
        .startswith("3 services moved, monolith drained, 22,500 requests, none failed")
    )


def test_the_summary_of_a_failed_run_names_the_problem():
    assert "5xx rate 0.083 is above 0.01" in summary("posts")


def test_the_summary_has_latencies_where_the_record_is_known(failing_log):
    assert "p95" in summary("posts", failing_log)


def test_the_summary_tells_where_the_report_is():
    assert "HTML report with charts and all verdicts: report.html" in summary()


def test_the_tables_of_the_summary_fit_into_100_columns():
    tables = summary("posts").partition("Next steps")[0].splitlines()[2:]
    assert max(map(len, tables)) <= 100


def test_a_line_of_the_log_stays_above_the_table():
    seen = on_terminal(
        lambda stream: _log(
            Screen("split", services=data.SERVICES, stream=stream), "a [library] says"
        )
    )
    assert "a [library] says" in seen


def _log(screen: Screen, text: str) -> None:
    with screen:
        screen.line(text, "yellow")
