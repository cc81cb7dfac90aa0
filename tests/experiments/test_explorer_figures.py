"""What the page draws: gaps, axes, maps, the balls, and what it says of them in words."""

from __future__ import annotations

import math
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.browser import choose, follow, settle


def test_a_derivative_that_depends_on_the_gradient_is_drawn_over_it(explorer: Page) -> None:
    """By −1 ReLU'(x < 0) = {left: 0, right: 1} passes all on: its slope is 1, not −1."""
    choose(explorer, "set-preset", "relu_directional")
    drawn = explorer.evaluate("explorer.drawn(-2, 2)")
    assert set(drawn["down"]["y"]) == {1}
    up = drawn["up"]
    seen = [(x, y) for x, y in zip(up["x"], up["y"], strict=True) if not math.isnan(y)]
    assert all(y == (x > 0) for x, y in seen)
    assert len(seen) == len(up["x"]) - 1  # the gap at 0


def test_what_is_linear_in_the_gradient_is_drawn_once(explorer: Page) -> None:
    """Although it is not pointwise."""
    text = "ReLU() / Centralise(derivative=Gaussian())"
    follow(explorer, f"pair={quote(text)}")
    assert set(explorer.evaluate("explorer.drawn(-2, 2)")) == {"value", "true", "up"}
    notes = explorer.evaluate("document.getElementById('notes').textContent")
    assert "whole tensors" in notes
    assert "both signs" not in notes


@pytest.mark.parametrize(
    ("text", "what", "jumps"),
    [
        ("Staircase(step=0.5) / Exact()", "value", [-1.75 + 0.5 * i for i in range(8)]),
        ("Sign() / Box()", "up", [-1.0, 1.0]),
        ("ReLU() / Exact()", "true", [0.0]),
        ("ReLU() / Exact()", "value", []),
        ("PerlinNoise(resolution=16.0) / Exact()", "value", []),
    ],
)
def test_jumps_are_gaps(explorer: Page, text: str, what: str, jumps: list[float]) -> None:
    follow(explorer, f"pair={quote(text)}")
    drawn = explorer.evaluate("explorer.drawn(-2, 2)")[what]
    gaps = [x for x, y in zip(drawn["x"], drawn["y"], strict=True) if math.isnan(y)]
    assert gaps == pytest.approx(jumps, abs=1e-12)


def test_numbers_of_an_axis_differ_however_close_they_are(explorer: Page) -> None:
    assert explorer.evaluate("explorer.ticks(98.999, 99, 5)") == [
        "98.999", "98.9992", "98.9994", "98.9996", "98.9998", "99",
    ]  # fmt: skip
    assert explorer.evaluate("explorer.ticks(-0.3, 0.3, 3)") == ["−0.2", "0", "0.2"]


def test_a_close_view_can_be_left_again(explorer: Page) -> None:
    follow(explorer, "from=0&to=0.01")
    explorer.evaluate("document.getElementById('further').click()")
    settle(explorer)
    assert explorer.evaluate("[explorer.state.from, explorer.state.to]") == [-0.0025, 0.0125]


def test_a_ball_that_flies_off_does_not_hang_the_page(explorer: Page) -> None:
    pair = "Staircase(step=0.5) / 3.0 * Blurred(width=0.15)"
    follow(explorer, f"pair={quote(pair)}&rate=2&steps=300")
    said = explorer.evaluate("document.getElementById('ball-reported-says').textContent")
    assert said.startswith("after 300 steps")
    far = explorer.evaluate("(pair) => explorer.at(pair, [1e20, -1e300], 1).reported", pair)
    assert far == [0, 0]


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_slopes_far_out_are_numbers(explorer: Page, approximate: str) -> None:
    text = f"GELU(approximate='{approximate}') / Exact()"
    assert explorer.evaluate("(text) => explorer.at(text, [1e200, -1e200], 1).slope", text) == [
        1,
        0,
    ]


def test_where_a_map_has_no_values_it_is_empty(explorer: Page) -> None:
    follow(explorer, f"pair={quote('MagnitudeSign() / Blurred()')}")
    ranges = explorer.evaluate(
        "['true', 'reported']"
        ".map((each) => document.getElementById(`map-${each}-0-range`).textContent)"
    )
    assert ranges == ["0 … 0", "undefined"]
    opaque = explorer.evaluate(
        "['true', 'reported'].map((each) => { const map = document.getElementById(`map-${each}-0`);"
        " return map.getContext('2d').getImageData(0, 0, map.width, map.height).data"
        ".filter((_, i) => i % 4 === 3).some((alpha) => alpha > 0); })"
    )
    assert opaque == [True, False]


def test_figures_say_in_words_what_they_show(explorer: Page) -> None:
    described = explorer.evaluate(
        "[...document.querySelectorAll('canvas')]"
        ".map((each) => [each.id, each.getAttribute('role'), each.getAttribute('aria-label')])"
    )
    assert len(described) == 7 + 10
    assert all(role == "img" and label and "undefined" not in label for _, role, label in described)


def test_the_balls_roll_on_demand(explorer: Page) -> None:
    final = explorer.evaluate("document.getElementById('ball-reported-says').textContent")
    said = explorer.evaluate(
        """(final) => new Promise((done) => {
            const said = [];
            const look = () => {
                said.push(document.getElementById("ball-reported-says").textContent);
                if (said.at(-1) === final || said.length > 1000) done(said);
                else requestAnimationFrame(look);
            };
            document.getElementById("roll").click();
            requestAnimationFrame(look);
        })""",
        final,
    )
    assert any(re.match("after [1-9] steps", each) for each in said)
    assert said[-1] == final
    assert "loss 3.1" in explorer.evaluate("document.getElementById('ball-true-says').textContent")
