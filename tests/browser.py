"""Debian's Chromium, driven by Playwright, whose pages the tests use as they are."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (  # besides Playwright's, which keep Chromium from what it does on its own
    "--disable-gpu",
    "--disable-quic",
    "--disable-3d-apis",  # TensorBoard draws with SVG then, and not with WebGL
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium with an empty profile."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise FileNotFoundError("chromium is not installed: `make browser` installs it on Debian")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=FLAGS) as browser,
    ):
        yield browser


def opened(browser: Browser, address: str) -> Page:
    """A new page at an address, with nothing kept from others; `with` closes it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    return page


def settle(page: Page) -> None:
    """Waits until what was asked for is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page: Page, menu: str, value: str) -> None:
    """Chooses from the menu with this id."""
    page.select_option(f"#{menu}", value)
    settle(page)


def follow(page: Page, fragment: str) -> None:
    """Goes to what is behind the # of an address."""
    page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
    settle(page)


def errors(page: Page) -> list[str]:
    """What the page wrote to its console as errors or warnings, or failed to load."""
    page.evaluate("null")  # and all that was sent before it
    messages = page.console_messages(filter="all")
    said = [each.text for each in messages if each.type in ("error", "warning")]
    return [*map(str, page.page_errors(filter="all")), *said]
