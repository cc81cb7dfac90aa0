"""What TensorBoard shows of several runs, in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from tests.browser import opened, settle
from tests.experiments.conftest import Smoke

COLOURS = quote(r"regex:autoencoder/([^/]+)/", safe="")


@pytest.fixture
def tensorboard(smoke: Smoke) -> Iterator[str]:
    """The address of a TensorBoard on the smoke runs."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(smoke.runs)]
    with subprocess.Popen(
        [*command, "--port", "0", "--load_fast=false", "--window_title", "runs"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        found = None
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        assert found, "TensorBoard did not start"
        yield found[0].rstrip("/")
        process.terminate()


def test_tensorboard_lays_the_curves_of_all_runs_over_each_other(
    browser: Browser, tensorboard: str, tmp_path: Path
) -> None:
    address = f"{tensorboard}/?tagFilter=%5Eloss&smoothing=0&runColorGroup={COLOURS}#timeseries"
    with opened(browser, address) as page:
        third = page.locator("card-view line-chart svg path").nth(2)
        third.wait_for(state="attached", timeout=60_000)
        settle(page)
        cards = page.evaluate(
            "[...document.querySelectorAll('card-view')].map((each) => each.textContent)"
        )
        page.screenshot(path=tmp_path / "tensorboard.png", full_page=True)
        assert any("loss/test" in card for card in cards)
        runs = page.evaluate("document.querySelector('runs-table, tb-data-table').textContent")
        assert all(f"autoencoder/{act}/seed0" in runs for act in ("cantor2", "linear"))
