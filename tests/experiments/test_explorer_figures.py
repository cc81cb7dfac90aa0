"""What the page draws: gaps, axes, maps, the balls, and what it says of them in words."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.browser import Page


def test_a_derivative_that_depends_on_the_gradient_is_drawn_over_it(explorer: Page) -> None:
    """By −1 ReLU'(x < 0) = {left: 0, right: 1} passes all on: its slope is 1, not −1."""
    explorer.choose("set-preset", "relu_directional")
    drawn = explorer.ask("explorer.drawn(-2, 2)")
    assert set(drawn["down"]["y"]) == {1}
    up = drawn["up"]
    seen = [(x, y) for x, y in zip(up["x"], up["y"], strict=True) if y is not None]
    assert all(y == (x > 0) for x, y in seen)
    assert len(seen) == len(up["x"]) - 1  # the gap at 0


def test_what_is_linear_in_the_gradient_is_drawn_once(explorer: Page) -> None:
    """Although it is not pointwise."""
    text = "ReLU() / Centralise(derivative=Gaussian())"
    explorer.ask("void (location.hash = hash)", hash=f"pair={quote(text)}")
    explorer.settle()
    assert set(explorer.ask("explorer.drawn(-2, 2)")) == {"value", "true", "up"}
    notes = explorer.ask("document.getElementById('notes').textContent")
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
    explorer.ask("void (location.hash = hash)", hash=f"pair={quote(text)}")
    explorer.settle()
    drawn = explorer.ask("explorer.drawn(-2, 2)")[what]
    gaps = [x for x, y in zip(drawn["x"], drawn["y"], strict=True) if y is None]
    assert gaps == pytest.approx(jumps, abs=1e-12)


def test_numbers_of_an_axis_differ_however_close_they_are(explorer: Page) -> None:
    assert explorer.ask("explorer.ticks(98.999, 99, 5)") == [
        "98.999", "98.9992", "98.9994", "98.9996", "98.9998", "99",
    ]  # fmt: skip
    assert explorer.ask("explorer.ticks(-0.3, 0.3, 3)") == ["−0.2", "0", "0.2"]


def test_a_close_view_can_be_left_again(explorer: Page) -> None:
    explorer.ask("void (location.hash = 'from=0&to=0.01')")
    explorer.settle()
    explorer.ask("document.getElementById('further').click()")
    explorer.settle()
    assert explorer.ask("[explorer.state.from, explorer.state.to]") == [-0.0025, 0.0125]


def test_a_ball_that_flies_off_does_not_hang_the_page(explorer: Page) -> None:
    pair = "Staircase(step=0.5) / 3.0 * Blurred(width=0.15)"
    explorer.ask("void (location.hash = hash)", hash=f"pair={quote(pair)}&rate=2&steps=300")
    explorer.settle()
    said = explorer.ask("document.getElementById('ball-reported-says').textContent")
    assert said.startswith("after 300 steps")
    far = explorer.ask("explorer.at(pair, [1e20, -1e300], 1).reported", pair=pair)
    assert far == [0, 0]


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_slopes_far_out_are_numbers(explorer: Page, approximate: str) -> None:
    text = f"GELU(approximate='{approximate}') / Exact()"
    assert explorer.ask("explorer.at(text, [1e200, -1e200], 1).slope", text=text) == [1, 0]


def test_where_a_map_has_no_values_it_is_empty(explorer: Page) -> None:
    explorer.ask("void (location.hash = hash)", hash=f"pair={quote('MagnitudeSign() / Blurred()')}")
    explorer.settle()
    ranges = explorer.ask(
        "['true', 'reported']"
        ".map((each) => document.getElementById(`map-${each}-0-range`).textContent)"
    )
    assert ranges == ["0 … 0", "undefined"]
    opaque = explorer.ask(
        "['true', 'reported'].map((each) => { const map = document.getElementById(`map-${each}-0`);"
        " return map.getContext('2d').getImageData(0, 0, map.width, map.height).data"
        ".filter((_, i) => i % 4 === 3).some((alpha) => alpha > 0); })"
    )
    assert opaque == [True, False]


def test_figures_say_in_words_what_they_show(explorer: Page) -> None:
    described = explorer.ask(
        "[...document.querySelectorAll('canvas')]"
        ".map((each) => [each.id, each.getAttribute('role'), each.getAttribute('aria-label')])"
    )
    assert len(described) == 7 + 10
    assert all(role == "img" and label and "undefined" not in label for _, role, label in described)


def test_the_balls_roll_on_demand(explorer: Page) -> None:
    final = explorer.ask("document.getElementById('ball-reported-says').textContent")
    explorer.ask("document.getElementById('roll').click()")
    explorer.wait_for(
        "/^after [1-9] steps/.test(document.getElementById('ball-reported-says').textContent)"
    )
    explorer.wait_for(
        f"document.getElementById('ball-reported-says').textContent === {json.dumps(final)}"
    )
    assert "loss 3.1" in explorer.ask("document.getElementById('ball-true-says').textContent")
