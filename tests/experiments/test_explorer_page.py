"""The page in use: chosen, turned, shared, resized, by keyboard; and what hostile links do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
import torch
from playwright.sync_api import Browser, CDPSession, Error, Page, expect
from torch import Tensor

import surrogate
from experiments.pictures.explorer import command, page, parts, samples
from experiments.pictures.explorer.losses import losses
from experiments.runs.records import Record
from surrogate.derivatives.base import Pointwise, derivatives
from surrogate.functions.base import Function, functions
from tests.browser import choose, chromium, errors, follow, opened, settle

CONTROLS = "[...document.querySelectorAll('button, input, select, textarea, summary')]"


def drawn(page: Page, canvas: str) -> str:
    return page.evaluate("(id) => document.getElementById(id).toDataURL()", canvas)


def test_it_is_one_small_file_that_asks_for_nothing_else(
    explorer_file: Path, explorer: Page
) -> None:
    assert explorer_file.stat().st_size < 300_000
    assert [each.url for each in explorer.requests()] == [explorer_file.as_uri()]


def test_choosing_a_preset_shows_it(explorer: Page) -> None:
    choose(explorer, "set-preset", "relu_directional")
    assert explorer.evaluate("explorer.state.pair") == str(surrogate.get("relu_directional"))
    assert explorer.evaluate("document.getElementById('text').value") == str(
        surrogate.get("relu_directional")
    )
    assert "reports 1 for g = 1 and 1 for g = −1" in explorer.evaluate(
        "document.getElementById('readout').textContent"
    )
    assert not explorer.evaluate("document.getElementById('legend-minus').hidden")
    assert "both signs" in explorer.evaluate("document.getElementById('notes').textContent")


def test_any_function_goes_with_any_derivative_and_combination(explorer: Page) -> None:
    choose(explorer, "function", "Cantor")
    choose(explorer, "derivative", "Laplace")
    choose(explorer, "derivative", "Sum")
    choose(explorer, "derivative-right", "Noisy")
    text = explorer.evaluate("explorer.state.pair")
    assert text == ("Cantor() / Laplace() + Noisy(derivative=Gaussian(), std=0.1)")
    assert str(surrogate.get(text)) == text
    # What depends on the upstream gradient can't be shifted: that is refused, and told.
    choose(explorer, "derivative", "ClipNorm")
    text = explorer.evaluate("explorer.state.pair")
    choose(explorer, "derivative", "Shift")
    assert explorer.evaluate("explorer.state.pair") == text
    said = explorer.evaluate("document.getElementById('message').textContent")
    assert said == "Shift: derivative must be independent of the upstream gradient"


@pytest.mark.parametrize("menu", ["set-preset", "function", "derivative"])
def test_all_that_a_menu_offers_can_be_chosen(explorer: Page, menu: str) -> None:
    choose(explorer, "set-preset", "relu")
    chosen = explorer.evaluate(
        "(id) => { const pick = (value) => { const menu = document.getElementById(id); "
        "menu.value = value; menu.dispatchEvent(new Event('change')); "
        "return explorer.state.pair; }; "
        "const names = [...document.getElementById(id).options].map((each) => each.value); "
        "return names.filter(Boolean).map((name) => { "
        "if (id === 'derivative') pick('Exact'); return [name, pick(name)]; }); }",
        menu,
    )
    settle(explorer)
    assert len(chosen) >= 28
    for name, text in chosen:
        assert repr(surrogate.get(text))
        if menu == "set-preset":
            assert text == str(surrogate.get(name))
        else:
            assert name in text or re.search(r"Exact\(\)( [+*] |\.)|\* Exact", text), (name, text)


def test_a_slider_is_turned_by_the_keyboard(explorer: Page) -> None:
    before = drawn(explorer, "slopes")
    explorer.focus("#derivative-width")
    for _ in range(3):
        explorer.keyboard.press("ArrowRight")
    settle(explorer)
    assert explorer.evaluate("explorer.state.pair") == "Staircase(step=0.5) / Blurred(width=0.18)"
    assert quote("Blurred(width=0.18)", safe="()") in explorer.evaluate("location.hash")
    assert drawn(explorer, "slopes") != before
    assert explorer.evaluate("document.activeElement.id") == "derivative-width"
    explorer.fill(":has(> #derivative-width) [type=number]", "0.4")
    settle(explorer)
    assert explorer.evaluate("explorer.state.pair") == "Staircase(step=0.5) / Blurred(width=0.4)"


def test_sliders_stop_where_the_library_would_refuse(explorer: Page) -> None:
    choose(explorer, "function", "Clamp")
    explorer.focus("#function-low")
    explorer.keyboard.press("End")
    settle(explorer)
    text = explorer.evaluate("explorer.state.pair")
    assert text.startswith("Clamp(low=0.99)")
    surrogate.get(text)


def test_a_view_is_shared_by_its_address(browser: Browser, explorer: Page) -> None:
    choose(explorer, "set-preset", "perlin4")
    choose(explorer, "set-input", "two peaks")
    for slider in ("set-momentum", "set-alpha", "at"):
        explorer.focus(f"#{slider}")
        explorer.keyboard.press("ArrowRight")
    explorer.fill(".matrix input", "α*2−sin(β)")
    settle(explorer)
    address = explorer.evaluate("location.href")
    with opened(browser, address) as shared:
        settle(shared)
        assert shared.evaluate("explorer.state") == explorer.evaluate("explorer.state")
        assert shared.evaluate("explorer.state.A0[0]") == "α*2−sin(β)"
        for canvas in ("values", "slopes", "input", "output", "ball-reported", "map-a1-0"):
            assert drawn(shared, canvas) == drawn(explorer, canvas), canvas
        assert errors(shared) == []


def test_the_text_can_be_typed(explorer: Page) -> None:
    explorer.fill("#text", "cantor2")
    settle(explorer)
    assert explorer.evaluate("explorer.state.pair") == "Cantor() / Constant()"
    explorer.fill("#text", "ReLU() / Gaussian(width=-1)")
    settle(explorer)
    assert explorer.evaluate("explorer.state.pair") == "Cantor() / Constant()"
    assert explorer.evaluate("document.getElementById('message').textContent").startswith(
        "Gaussian"
    )
    assert explorer.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    explorer.fill("#text", "0.5 * Constant() + 0.5 * Exact()")
    explorer.fill("#text", "ReLU() / 0.5 * Constant() + 0.5 * Exact()")
    settle(explorer)
    assert explorer.evaluate("document.getElementById('message').textContent") == ""
    assert explorer.evaluate("document.getElementById('derivative').value") == "Sum"
    follow(explorer, "pair=Sin()%20/%20Exact()")
    expect(explorer.locator("#text")).to_have_value("Sin() / Exact()", timeout=30_000)


HOSTILE = '<img src=x onerror="window.harmed = true">'


@pytest.mark.parametrize(
    "address",
    [
        f"pair={quote(HOSTILE)}",
        f"pair={quote('ReLU() / ' + HOSTILE)}",
        f"{quote(HOSTILE)}=1",
        f"{HOSTILE}=1",
        "__proto__=1&constructor=2&toString=3",
        "pair=%E0%A4%A",
        "from=5&to=5",
        "from=1e999&to=NaN&at=&mean=0x10000000&std=-1&steps=2.5",
        "rate=Infinity&momentum=2",
        f"input={quote(HOSTILE)}&first={quote(HOSTILE)}&wrt=__proto__&theme=hasOwnProperty",
        f"A0={quote(HOSTILE)},1,1,1,1,1&b0=1&A1=((((((((((((((1)))))))))))))),1,1",
        "A0=alert(1),2,3,4,5,6&b1=constructor",
        "pair=Polynomial(coefficients=(1.0,))%20/%20Exact()" + "&x=1" * 3000,
        "&&&===&=&#?",
    ],
)
def test_what_a_link_says_is_checked(explorer: Page, address: str) -> None:
    follow(explorer, address)
    assert explorer.evaluate("document.querySelectorAll('img').length") == 0
    assert explorer.evaluate("window.harmed === undefined")
    state = explorer.evaluate("explorer.state")
    defaults = {"pair": "Staircase(step=0.5) / Blurred(width=0.15)", "from": -2, "to": 2}
    for name, value in defaults.items():
        assert state[name] == value or (name == "pair" and "Polynomial" in value + address)
    assert state["rate"] == 0.1
    assert state["A0"][0] == "1"
    surrogate.get(state["pair"])
    if address != "&&&===&=&#?":
        said = explorer.evaluate("document.getElementById('message').textContent")
        assert said.startswith("Of this address was left out:")


@pytest.fixture(scope="module")
def device(browser: Browser, explorer_file: Path) -> Iterator[tuple[Page, CDPSession]]:
    """An explorer, and what changes its pixels and size; Playwright changes the size alone."""
    with opened(browser, explorer_file.as_uri()) as explorer:
        yield explorer, explorer.context.new_cdp_session(explorer)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 768, 1280, 1800])
def test_it_fits_any_width_in_both_themes(
    device: tuple[Page, CDPSession], width: int, scheme: Literal["light", "dark"]
) -> None:
    explorer, session = device
    explorer.emulate_media(color_scheme=scheme)
    scale = 2 if width < 500 else 1
    metrics = {"width": width, "height": 800, "deviceScaleFactor": scale, "mobile": width < 500}
    session.send("Emulation.setDeviceMetricsOverride", metrics)
    settle(explorer)
    settle(explorer)
    assert explorer.evaluate("[innerWidth, devicePixelRatio]") == [width, scale]
    assert explorer.evaluate("document.documentElement.scrollWidth") <= width
    outside = explorer.evaluate(
        f"(width) => [...{CONTROLS}, ...document.querySelectorAll('canvas')]"
        ".filter((each) => { const box = each.getBoundingClientRect(); "
        "return box.width && (box.left < 0 || box.right > width); }).map((each) => each.id)",
        width,
    )
    assert outside == []
    sharp = explorer.evaluate(
        "[...document.querySelectorAll('canvas.plot')]"
        ".every((each) => each.width === Math.round(each.clientWidth * devicePixelRatio))"
    )
    assert sharp
    paper = explorer.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(each) for each in paper[4:-1].split(","))
    assert brightness < 150 if scheme == "dark" else brightness > 600
    assert errors(explorer) == []


def test_the_theme_can_be_chosen(explorer: Page) -> None:
    explorer.emulate_media(color_scheme="light")
    settle(explorer)
    before = drawn(explorer, "values")
    explorer.evaluate("document.getElementById('theme').click()")
    settle(explorer)
    assert explorer.evaluate("document.documentElement.dataset.theme") == "dark"
    assert "theme=dark" in explorer.evaluate("location.hash")
    assert drawn(explorer, "values") != before
    explorer.evaluate("document.getElementById('theme').click()")
    settle(explorer)
    assert explorer.evaluate("location.hash") == ""
    assert drawn(explorer, "values") == before


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(explorer: Page) -> None:
    choose(explorer, "set-preset", "relu_directional")
    unnamed = explorer.evaluate(
        f"{CONTROLS}.filter((each) => !each.labels?.length && !each.textContent.trim() "
        "&& !each.getAttribute('aria-label')).map((each) => each.outerHTML)"
    )
    assert unnamed == []
    usable = explorer.evaluate(
        f"{CONTROLS}.filter((each) => !each.disabled && each.offsetParent)"
        ".map((each, i) => (each.dataset.number = i)).length"
    )
    explorer.evaluate("void (document.activeElement.blur(), scrollTo(0, 0))")
    reached = []
    for _ in range(usable + 1):
        explorer.keyboard.press("Tab")
        number, outline = explorer.evaluate(
            "[document.activeElement.dataset.number, "
            "getComputedStyle(document.activeElement).outlineStyle]"
        )
        if number is None:
            continue
        assert outline != "none", number
        reached.append(int(number))
    assert set(reached) == set(range(usable))


def test_what_has_no_formula_in_the_page_is_sampled(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bump(Function, register=False):
        """A bump. Derivative: that of a bump."""

        width: float = 0.7

        def value(self, x: Tensor) -> Tensor:
            return torch.exp(-((x / self.width) ** 2))

    class Wiggle(Pointwise, register=False):
        """A wiggle."""

        width: float = 0.7

        def slope(self, x: Tensor) -> Tensor:
            return torch.sin(x / self.width)

    monkeypatch.setattr(functions, "_entries", {**functions._entries, "Bump": Bump})
    monkeypatch.setattr(derivatives, "_entries", {**derivatives._entries, "Wiggle": Wiggle})
    assert samples.without_twin("functions") == ["Bump"]
    file = tmp_path / "explorer.html"
    file.write_text(page(), encoding="utf-8")
    points = [-2.9 + 0.37 * i for i in range(16)]
    with opened(browser, file.as_uri()) as explorer:
        choose(explorer, "function", "Bump")
        choose(explorer, "derivative", "Wiggle")
        assert explorer.evaluate("explorer.state.pair") == "Bump() / Wiggle()"
        assert "sampled by Python" in explorer.evaluate(
            "document.getElementById('notes').textContent"
        )
        assert explorer.evaluate("document.querySelectorAll('#editor input').length") == 0
        found = explorer.evaluate("(x) => explorer.at('Bump() / Wiggle()', x, 1)", points)
        with pytest.raises(Error, match="Clip: derivative must be pointwise"):
            explorer.evaluate("explorer.reads('ReLU() / DerivativeOf(Bump()).clip(low=0.0)')")
        assert errors(explorer) == []
    pair = surrogate.get("Bump() / Wiggle()")
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    y = pair(x)
    (reported,) = torch.autograd.grad(y.sum(), x)
    assert found["value"] == pytest.approx(y.tolist(), abs=1e-3)
    assert found["reported"] == pytest.approx(reported.tolist(), abs=1e-3)
    (slope,) = torch.autograd.grad(pair.function(x).sum(), x)
    assert found["slope"] == pytest.approx(slope.tolist(), abs=1e-3)


def run(act: str, seed: int, values: list[float]) -> Record:
    result = {
        "experiment": "autoencoder",
        "act": act,
        "seed": seed,
        "status": "finished",
        "test_loss": values[-1],
        "val_loss": values[-1],
        "epochs": len(values),
        "config": {"optimizer": {"lr": 0.1}},
    }
    rows = [{"epoch": float(i + 1), "loss/test": value} for i, value in enumerate(values)]
    return Record(Path(act), result, rows)


def test_loss_curves_are_means_over_seeds_of_logarithms(browser: Browser, tmp_path: Path) -> None:
    found = [
        run("relu", 0, [0.4, 0.1]),
        run("relu", 1, [0.1, 0.1]),
        run("linear", 0, [0.3]),
        run("<b>bold</b></script>", 0, [0.5, 0.2]),
    ]
    (experiment,) = losses(found)
    curves = {each["name"]: each for each in experiment["curves"]}
    assert next(iter(curves)) == "relu"
    assert curves["relu"]["seeds"] == 2
    assert curves["relu"]["mean"] == pytest.approx([math.log(0.2), math.log(0.1)])
    assert curves["relu"]["deviation"] == pytest.approx([math.log(4) / math.sqrt(2), 0.0])
    assert curves["linear"]["epochs"] == [1.0]
    file = tmp_path / "explorer.html"
    file.write_text(page(found), encoding="utf-8")
    with opened(browser, file.as_uri()) as explorer:
        legend = explorer.evaluate("document.querySelector('#losses .legend').textContent")
        assert "relu 0.1, 2 seeds" in legend
        assert "<b>bold</b></script> 0.2, 1 seed" in legend
        before = drawn(explorer, "losses-0")
        explorer.evaluate("document.querySelector('#losses input').click()")
        assert drawn(explorer, "losses-0") != before
        assert errors(explorer) == []


def test_without_runs_there_are_no_curves(browser: Browser, tmp_path: Path) -> None:
    assert command.main(["-o", str(tmp_path / "new" / "explorer.html")]) == 0
    with opened(browser, (tmp_path / "new" / "explorer.html").as_uri()) as explorer:
        assert explorer.evaluate("document.getElementById('losses').hidden")
        assert errors(explorer) == []


def test_a_folder_without_runs_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "explorer.html"
    assert command.main(["-o", str(output), "--runs", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: no finished run in {tmp_path}\n"
    assert not output.exists()


def test_without_chromium_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="chromium is not installed"), chromium():
        pass


def test_limits_between_arguments_are_found() -> None:
    known = parts.known()["functions"]
    bounds = {
        f"{name}.{each['name']}": [(b["word"], b["sign"], b["other"]) for b in each["bounds"]]
        for name, entry in known.items()
        for each in entry["parameters"]
        if each.get("bounds")
    }
    assert bounds == {
        "UniformQuantizer.high": [("above", 1, "low")],
        "FakeQuantize.zero_point": [("least", 1, "quant_min"), ("most", 1, "quant_max")],
        "FakeQuantize.quant_max": [("above", 1, "quant_min")],
        "Clamp.high": [("above", 1, "low")],
        "Hardtanh.high": [("above", 1, "low")],
        "LightReLU.most": [("above", -1, "shift")],
        "GeneralReLU.most": [("above", -1, "shift")],
    }
    assert known["Clamp"]["one_of"] == ["low", "high"]
