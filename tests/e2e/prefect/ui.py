"""The pages of the Prefect UI that a person uses, in a real browser; each leaves a screenshot."""

import contextlib
import re
import shutil

from playwright.async_api import async_playwright, expect

from tests.e2e.runs import ROOT

__all__ = ["SECONDS", "answer_question", "fill_form", "open_page", "open_report", "photograph"]

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SCREENSHOTS = ROOT / "build/screenshots"
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
SECONDS = 1000


@contextlib.asynccontextmanager
async def open_page():
    """A page of a browser that reaches this machine only."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = await browser.new_page(viewport={"width": 1300, "height": 1100})
        page.set_default_timeout(30 * SECONDS)
        # The UI reads settings from a host on the internet; a test does not.
        await page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        yield page
        await browser.close()


async def photograph(page, name):
    """Keep a picture of the page in build/screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    # Without animations, what fades in is there at once.
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


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
    """Approve what a suspended run asks for, from its page."""
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
    """The report among the artifacts of a run, from its page."""
    await page.get_by_role("tab", name="Artifacts").click()
    await photograph(page, "5-artifacts")
    await page.get_by_text("forum-report").first.click()
    await expect(page.get_by_role("heading", name="Gates and checks")).to_be_visible()
    await photograph(page, "6-report")
