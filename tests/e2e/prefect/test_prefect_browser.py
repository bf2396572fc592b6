"""A split in the Prefect UI, in a real browser: started, approved, and its report read."""

import re
import shutil

import pytest
from playwright.async_api import async_playwright, expect

from tests.e2e.aws_state import desired_counts, weights
from tests.e2e.configs import edited_config, only, quick
from tests.e2e.runs import ROOT
from tests.e2e.served import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SCREENSHOTS = ROOT / "build/screenshots"
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
SECONDS = 1000


@pytest.fixture(scope="module")
def served(make_prefect_home):
    with serving(make_prefect_home()) as running:
        yield running


@pytest.fixture
async def page():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        made = await browser.new_page(viewport={"width": 1300, "height": 1100})
        made.set_default_timeout(30 * SECONDS)
        # The UI reads settings from a host on the internet; a test does not.
        await made.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        yield made
        await browser.close()


async def photograph(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    # Without animations, what fades in is there at once.
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


def needs_approval_of_the_first_step(config):
    config["traffic"]["approve_first_step"] = True


async def fill_form(page, served, config):
    """The form of the deployment, with the drain switched off."""
    await page.goto(
        f"{served.url}/v2/deployments/deployment/{served.deployment('split')['id']}/run"
    )
    await page.get_by_label("Path").fill(str(config))
    await page.get_by_role("switch", name="Drain").click()
    await photograph(page, "1-form")
    await page.get_by_role("button", name="Submit").click()
    await page.wait_for_url("**tab=Runs**")


async def answer_question(page):
    await page.locator("button:has(svg.lucide-ellipsis-vertical)").first.click()
    await page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("responses match")
    await dialog.get_by_label("Select Decision").click()
    await page.get_by_role("option", name="approve").click()
    await dialog.get_by_label("Comment").fill("the checks hold")
    await photograph(page, "3-approval")
    await dialog.get_by_role("button", name="Resume").click()
    await expect(dialog).to_be_hidden()


async def open_report(page):
    await page.get_by_role("tab", name="Artifacts").click()
    await photograph(page, "5-artifacts")
    await page.get_by_text("forum-report").first.click()
    await expect(page.get_by_role("heading", name="Gates and checks")).to_be_visible()
    await photograph(page, "6-report")


async def test_a_person_splits_approves_and_reads_the_report_in_the_ui(
    page, served, start_sandbox, tmp_path
):
    sandbox = start_sandbox()
    config = edited_config(
        sandbox, tmp_path, quick, only("users"), needs_approval_of_the_first_step
    )
    await fill_form(page, served, config)
    run = served.runs(limit=1)[0]["id"]
    await page.goto(f"{served.url}/v2/runs/flow-run/{run}")
    await expect(page.get_by_text("Suspended").first).to_be_visible(timeout=120 * SECONDS)
    await photograph(page, "2-suspended")
    await answer_question(page)
    await expect(page.get_by_text("Completed", exact=True).first).to_be_visible(
        timeout=180 * SECONDS
    )
    await photograph(page, "4-completed")
    await open_report(page)
    assert weights(sandbox)["users"] == {"forum-monolith-tg": 0, "users-tg": 100}
    assert desired_counts(sandbox)["monolith"] > 0
