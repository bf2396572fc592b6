"""
The HTML report as text; `tests/integration/flows/report/test_report_in_browser.py` looks at it.
"""

import functools
import json
import re
from html.parser import HTMLParser

import pytest

from flows.record.outcome import Event, Outcome, ServiceOutcome
from flows.report.client_log import LoggedRequest, summarize
from flows.report.html.page import render_report, write_report
from tests.unit.flows.report import report_data as data

HOSTILE = "<script>alert(1)</script>"


@functools.cache
def page(failing: str | None = None) -> str:
    found = list(data.answers(failing))
    return render_report(
        data.outcome(summarize(found), failing),
        data.events(failing),
        found,
        title="Split of forum-monolith",
        started=data.START,
        ended=data.START + data.LENGTH,
    )


def render(outcome: Outcome, events=(), answers=()) -> str:
    return render_report(
        outcome, events, answers, title="t", started=data.START, ended=data.START + 10
    )


def body(text: str) -> str:
    return text[text.index("<body>") : text.index("</main>")]


def figures(text: str) -> dict[str, dict]:
    found = re.search(
        r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL
    )
    assert found
    return json.loads(found[1])


def test_the_headline_is_the_verdict():
    assert "<h1>3 services moved, monolith drained, 22,500 requests, none failed</h1>" in page()


def test_every_weight_change_and_drain_step_is_a_line_in_the_chart_of_answers():
    marked = [event for event in data.events() if event.kind in ("weight", "drain")]
    assert len(figures(page())["traffic"]["layout"]["shapes"]) == len(marked)


def test_every_verdict_is_a_mark_in_its_lane():
    marks = [
        mark for trace in figures(page())["lanes"]["data"] for mark in trace.get("customdata", ())
    ]
    judged = [event for event in data.events() if event.verdict]
    assert sum(mark.startswith("pass: ") for mark in marks) == len(judged)


def test_failed_requests_are_marked_in_the_chart():
    assert "failed requests" in [
        trace.get("name") for trace in figures(page("posts"))["traffic"]["data"]
    ]


def test_a_run_without_failures_has_no_list_of_problems():
    assert "<h2>Problems</h2>" not in page()


def test_failed_requests_are_listed():
    assert "<h2>Failed requests</h2>" in page("posts")


def test_nothing_is_loaded_from_outside():
    class Sources(HTMLParser):
        found: list[str] = []  # noqa: RUF012 - of this one test

        def handle_starttag(self, _tag, attributes):
            self.found += [
                value for name, value in attributes if name in ("src", "href") and value != "data:,"
            ]

    sources = Sources()
    sources.feed(page())
    assert sources.found == []


def test_text_from_outside_is_escaped_in_the_page():
    services = {HOSTILE: ServiceOutcome(stage=HOSTILE, image=HOSTILE)}
    events = [
        Event(data.START, "check", HOSTILE, HOSTILE, verdict="fail", numbers={HOSTILE: HOSTILE})
    ]
    answers = [LoggedRequest(data.START, HOSTILE, 0, HOSTILE, 0.1, HOSTILE)]
    text = render(
        Outcome(status="failed", services=services, error=HOSTILE, alb_url=HOSTILE),
        events,
        answers,
    )
    assert HOSTILE not in body(text)


def test_text_from_outside_cannot_end_the_data_of_the_charts():
    events = [Event(data.START, "drain", None, HOSTILE)]
    assert figures(render(Outcome(status="completed"), events))["lanes"]["data"]


@pytest.mark.parametrize("status", ["completed", "planned", "unchanged", "failed", "refused"])
def test_a_run_of_which_little_is_known_has_its_page(status):
    assert "<h1>" in render(Outcome(status=status, error="why"))


def test_a_report_of_an_earlier_run_is_replaced(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(
        path, Outcome(status="refused"), [], title="t", started=data.START, ended=data.START
    )
    assert "old" not in path.read_text()[:3]
