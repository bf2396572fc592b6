"""The HTML report as text; `tests/integration/flows/report` opens it in a browser."""

import functools
import json
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from flows.record.outcome import Event, MonolithOutcome, Outcome, ServiceOutcome
from flows.report.client_log import LoggedRequest, summarize
from flows.report.html.page import _environment, render_report, write_report
from tests.unit.flows.report import report_data as data

HARMLESS = "harmless"
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    "<!--",
    "a & b &lt; c",
    "\"' onmouseover='alert(1)' x=\"",
    "{{ 7 * 7 }}{% raw %}",
)


class Outline(HTMLParser):
    """The elements of a page with the names of their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.classes: list[str] = []
        self.figures = ""
        self._is_code = False
        self._is_figures = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.elements.append((tag, *values))
        self.sources += [values[name] for name in ("src", "href") if name in values]
        self.classes += values.get("class", "").split()
        self.texts += [values[name] for name in ("title", "aria-label") if name in values]
        self._is_code = tag in ("script", "style")
        self._is_figures = values.get("id") == "figures"

    def handle_data(self, text):
        if self._is_figures:
            self.figures += text
        elif not self._is_code:
            self.texts.append(text)

    def handle_endtag(self, _tag):
        self._is_code = self._is_figures = False


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


@functools.cache
def outline(failing: str | None = None) -> Outline:
    return Outline(page(failing))


def render(outcome: Outcome, events=(), answers=(), title="t") -> str:
    return render_report(
        outcome, events, answers, title=title, started=data.START, ended=data.START + 10
    )


def page_full_of(text: str) -> str:
    """A page in which every text from outside is the same one."""
    service = ServiceOutcome(stage=text, image=text)
    outcome = Outcome(
        status="failed",
        engine=text,
        services={text: service},
        monolith=MonolithOutcome(service=text),
        error=text,
        alb_url=text,
    )
    events = [
        Event(data.START, "stage", text, text),
        Event(data.START + 1, "check", text, text, verdict="fail", numbers={text: text}),
        Event(data.START + 2, "weight", text, text, 10),
        Event(data.START + 3, "drain", None, text),
        Event(data.START + 4, "stage", text, "failed", numbers={"error": text}),
    ]
    answers = [
        LoggedRequest(data.START, text, 0, text, 0.1, text),
        LoggedRequest(data.START + 1, text, 200, text, 0.1, None),
    ]
    return render(outcome, events, answers, title=text)


def figures(text: str) -> dict[str, dict]:
    return json.loads(Outline(text).figures)


def test_the_page_begins_with_its_doctype():
    assert page().startswith("<!doctype html>")


def test_the_headline_is_the_result():
    assert "3 services moved, monolith drained, 22,500 requests, none failed" in outline().texts


def test_every_weight_change_and_drain_step_is_a_line_in_the_chart_of_traffic():
    marked = [event for event in data.events() if event.kind in ("weight", "drain")]
    assert len(figures(page())["traffic"]["layout"]["shapes"]) == len(marked)


def test_every_verdict_is_a_mark_in_its_lane():
    marks = []
    for trace in figures(page())["lanes"]["data"]:
        marks += trace.get("customdata", ())
    judged = [event for event in data.events() if event.verdict]
    assert sum(mark.startswith("pass: ") for mark in marks) == len(judged)


def test_failed_requests_are_marked_in_the_chart():
    names = [trace.get("name") for trace in figures(page("posts"))["traffic"]["data"]]
    assert "failed requests" in names


def test_a_run_without_failures_has_no_list_of_problems():
    assert "problems" not in outline().classes


def test_a_run_with_failures_has_a_list_of_problems():
    assert "problems" in outline("posts").classes


def test_every_failed_request_is_listed():
    failed = [request for request in data.answers("posts") if request.failed]
    assert outline("posts").texts.count("503") == len(failed)


def test_nothing_is_loaded_from_outside():
    assert outline().sources == ["data:,"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_adds_no_elements_or_attributes(text):
    assert Outline(page_full_of(text)).elements == Outline(page_full_of(HARMLESS)).elements


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_is_shown_as_it_is(text):
    shown = Outline(page_full_of(text)).texts
    assert shown.count(text) == Outline(page_full_of(HARMLESS)).texts.count(HARMLESS) > 10


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_cannot_end_the_data_of_the_charts(text):
    assert set(figures(page_full_of(text))) == {"traffic", "lanes", "weights", "latency"}


@pytest.mark.parametrize("status", ["completed", "planned", "unchanged", "failed", "refused"])
def test_a_run_without_events_has_a_page(status):
    assert ("h1",) in Outline(render(Outcome(status=status, error="why"))).elements


def test_a_value_that_the_template_lacks_is_an_error():
    with pytest.raises(UndefinedError):
        _environment().get_template("page.html.j2").render(title="t")


def test_the_report_of_an_earlier_run_is_replaced(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(
        path, Outcome(status="refused"), [], title="t", started=data.START, ended=data.START
    )
    assert path.read_text().startswith("<!doctype html>")
