"""The HTML report in a real browser, without any network."""

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from flows.record.outcome import Event, Outcome, ServiceOutcome
from flows.report.client_log import LoggedRequest, summarize
from flows.report.html.page import write_report
from tests.unit.flows.report import report_data as data

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = [
    pytest.mark.browser,
    # All tests share the browser, and so its event loop.
    pytest.mark.asyncio(loop_scope="module"),
]
HOSTILE = "<img src=x onerror=\"document.title='attacked'\"><b>bold</b></script>"
CHARTS = ("traffic", "lanes", "weights", "latency")


@pytest.fixture
def report(tmp_path):
    found = list(data.answers("posts"))
    path = tmp_path / "report.html"
    outcome = data.outcome(summarize(found), "posts")
    ended = data.START + data.LENGTH
    write_report(
        path, outcome, data.events("posts"), found, title="Split", started=data.START, ended=ended
    )
    return path


@pytest.fixture
def hostile_report(tmp_path):
    """A report in which the name and the texts of a service are HTML."""
    path = tmp_path / "report.html"
    services = {HOSTILE: ServiceOutcome(stage="settled", image=HOSTILE)}
    events = [
        Event(data.at(1), "stage", HOSTILE, "shifting"),
        Event(data.at(2), "weight", HOSTILE, HOSTILE, 10),
        Event(data.at(3), "check", HOSTILE, HOSTILE, verdict="fail"),
        Event(data.at(4), "drain", None, HOSTILE),
    ]
    answers = [
        LoggedRequest(data.at(second), HOSTILE, 200, HOSTILE, 0.01, None) for second in range(10)
    ]
    outcome = Outcome(status="completed", services=services)
    write_report(
        path, outcome, events, answers, title="Split", started=data.START, ended=data.at(10)
    )
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(offline=True)
    yield await context.new_page()
    await context.close()


async def open_report(page: Page, report) -> None:
    await page.goto(report.as_uri())
    for name in CHARTS:
        await page.wait_for_selector(f"#{name}[data-drawn=yes]")


async def test_every_chart_is_drawn_offline(page, report):
    await open_report(page, report)
    drawn = [await page.locator(f"#{name} svg.main-svg").count() for name in CHARTS]
    assert all(drawn)


async def test_nothing_is_requested_from_the_network(page, report):
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await open_report(page, report)
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:"))] == []


async def test_the_console_has_no_errors_or_warnings(page, report):
    messages: list[str] = []
    page.on(
        "console",
        lambda message: (
            messages.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: messages.append(str(error)))
    await open_report(page, report)
    assert messages == []


async def test_zooming_into_one_chart_zooms_into_all(page, report):
    await open_report(page, report)
    await page.evaluate(
        "Plotly.relayout('traffic', {'xaxis.range': ['2026-11-18 00:00', '2026-11-18 01:00']})"
    )
    await page.wait_for_function(
        f"{list(CHARTS)}.every(name => document.getElementById(name).layout.xaxis.range[1] === "
        "'2026-11-18 01:00')"
    )


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_page_is_never_wider_than_the_screen(page, report, width):
    await page.set_viewport_size({"width": width, "height": 800})
    await open_report(page, report)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_charts_follow_the_theme(page, report):
    await page.emulate_media(color_scheme="light")
    await open_report(page, report)
    light = await page.evaluate("document.getElementById('traffic').layout.font.color")
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_function(
        f"document.getElementById('traffic').layout.font.color !== '{light}'"
    )


async def test_a_name_with_tags_in_it_is_shown_as_it_is(page, hostile_report):
    await open_report(page, hostile_report)
    names = page.locator("#lanes .yaxislayer-above .ytick text")
    assert await names.all_text_contents() == ["monolith", HOSTILE]
    assert HOSTILE in await page.locator("h3").first.text_content()


async def test_a_name_with_tags_in_it_runs_no_script(page, hostile_report):
    await open_report(page, hostile_report)
    assert await page.locator("main img, main script").count() == 0
    assert await page.title() == "Split"
