"""The page in use: chosen, turned, shared, resized, by keyboard; and what hostile links do."""

from __future__ import annotations

import math
import re
from pathlib import Path
from urllib.parse import quote

import pytest
import torch
from torch import Tensor

import surrogate
from experiments.pictures.explorer import command, page, parts, samples
from experiments.pictures.explorer.losses import losses
from experiments.runs.records import Record
from surrogate.derivatives.base import Pointwise, derivatives
from surrogate.functions.base import Function, functions
from tests.browser import Browser, BrowserError, Page

CONTROLS = "[...document.querySelectorAll('button, input, select, textarea, summary')]"


def drawn(page: Page, canvas: str) -> str:
    return page.ask("document.getElementById(id).toDataURL()", id=canvas)


def test_it_is_one_small_file_that_asks_for_nothing_else(
    explorer_file: Path, explorer: Page
) -> None:
    assert explorer_file.stat().st_size < 300_000
    assert explorer.requests == [explorer_file.as_uri()]


def test_choosing_a_preset_shows_it(explorer: Page) -> None:
    explorer.choose("set-preset", "relu_directional")
    assert explorer.ask("explorer.state.pair") == str(surrogate.get("relu_directional"))
    assert explorer.ask("document.getElementById('text').value") == str(
        surrogate.get("relu_directional")
    )
    assert "reports 1 for g = 1 and 1 for g = −1" in explorer.ask(
        "document.getElementById('readout').textContent"
    )
    assert not explorer.ask("document.getElementById('legend-minus').hidden")
    assert "both signs" in explorer.ask("document.getElementById('notes').textContent")


def test_any_function_goes_with_any_derivative_and_combination(explorer: Page) -> None:
    explorer.choose("function", "Cantor")
    explorer.choose("derivative", "Laplace")
    explorer.choose("derivative", "Sum")
    explorer.choose("derivative-right", "Noisy")
    text = explorer.ask("explorer.state.pair")
    assert text == ("Cantor() / Laplace() + Noisy(derivative=Gaussian(), std=0.1)")
    assert str(surrogate.get(text)) == text
    # What depends on the upstream gradient can't be shifted: that is refused, and told.
    explorer.choose("derivative", "ClipNorm")
    text = explorer.ask("explorer.state.pair")
    explorer.choose("derivative", "Shift")
    assert explorer.ask("explorer.state.pair") == text
    said = explorer.ask("document.getElementById('message').textContent")
    assert said == "Shift: derivative must be independent of the upstream gradient"


@pytest.mark.parametrize("menu", ["set-preset", "function", "derivative"])
def test_all_that_a_menu_offers_can_be_chosen(explorer: Page, menu: str) -> None:
    explorer.choose("set-preset", "relu")
    chosen = explorer.ask(
        "(() => { const pick = (value) => { const menu = document.getElementById(id); "
        "menu.value = value; menu.dispatchEvent(new Event('change')); "
        "return explorer.state.pair; }; "
        "const names = [...document.getElementById(id).options].map((each) => each.value); "
        "return names.filter(Boolean).map((name) => { "
        "if (id === 'derivative') pick('Exact'); return [name, pick(name)]; }); })()",
        id=menu,
    )
    explorer.settle()
    assert len(chosen) >= 28
    for name, text in chosen:
        assert repr(surrogate.get(text))
        if menu == "set-preset":
            assert text == str(surrogate.get(name))
        else:
            assert name in text or re.search(r"Exact\(\)( [+*] |\.)|\* Exact", text), (name, text)


def test_a_slider_is_turned_by_the_keyboard(explorer: Page) -> None:
    before = drawn(explorer, "slopes")
    explorer.ask("document.getElementById('derivative-width').focus()")
    for _ in range(3):
        explorer.press("ArrowRight", 39)
    explorer.settle()
    assert explorer.ask("explorer.state.pair") == "Staircase(step=0.5) / Blurred(width=0.18)"
    assert quote("Blurred(width=0.18)", safe="()") in explorer.ask("location.hash")
    assert drawn(explorer, "slopes") != before
    assert explorer.ask("document.activeElement.id") == "derivative-width"
    explorer.ask("document.activeElement.parentElement.querySelector('[type=number]').focus()")
    explorer.type("0.4")
    explorer.settle()
    assert explorer.ask("explorer.state.pair") == "Staircase(step=0.5) / Blurred(width=0.4)"


def test_sliders_stop_where_the_library_would_refuse(explorer: Page) -> None:
    explorer.choose("function", "Clamp")
    explorer.ask("document.getElementById('function-low').focus()")
    explorer.press("End", 35)
    explorer.settle()
    text = explorer.ask("explorer.state.pair")
    assert text.startswith("Clamp(low=0.99)")
    surrogate.get(text)


def test_a_view_is_shared_by_its_address(browser: Browser, explorer: Page) -> None:
    explorer.choose("set-preset", "perlin4")
    explorer.choose("set-input", "two peaks")
    for slider in ("set-momentum", "set-alpha", "at"):
        explorer.ask("document.getElementById(id).focus()", id=slider)
        explorer.press("ArrowRight", 39)
    explorer.ask("document.querySelector('.matrix input').focus()")
    explorer.type("α*2−sin(β)")
    explorer.settle()
    address = explorer.ask("location.href")
    with browser.page(address) as shared:
        shared.settle()
        assert shared.ask("explorer.state") == explorer.ask("explorer.state")
        assert shared.ask("explorer.state.A0[0]") == "α*2−sin(β)"
        for canvas in ("values", "slopes", "input", "output", "ball-reported", "map-a1-0"):
            assert drawn(shared, canvas) == drawn(explorer, canvas), canvas
        assert shared.errors == []


def test_the_text_can_be_typed(explorer: Page) -> None:
    explorer.ask("document.getElementById('text').focus()")
    explorer.type("cantor2")
    explorer.settle()
    assert explorer.ask("explorer.state.pair") == "Cantor() / Constant()"
    explorer.type("ReLU() / Gaussian(width=-1)")
    explorer.settle()
    assert explorer.ask("explorer.state.pair") == "Cantor() / Constant()"
    assert explorer.ask("document.getElementById('message').textContent").startswith("Gaussian")
    assert explorer.ask("document.activeElement.getAttribute('aria-invalid')") == "true"
    explorer.type("0.5 * Constant() + 0.5 * Exact()")
    explorer.type("ReLU() / 0.5 * Constant() + 0.5 * Exact()")
    explorer.settle()
    assert explorer.ask("document.getElementById('message').textContent") == ""
    assert explorer.ask("document.getElementById('derivative').value") == "Sum"
    explorer.ask("void (location.hash = 'pair=Sin()%20/%20Exact()')")
    explorer.wait_for("document.getElementById('text').value === 'Sin() / Exact()'")


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
    explorer.ask("void (location.hash = hash)", hash=address)
    explorer.settle()
    assert explorer.ask("document.querySelectorAll('img').length") == 0
    assert explorer.ask("window.harmed === undefined")
    state = explorer.ask("explorer.state")
    defaults = {"pair": "Staircase(step=0.5) / Blurred(width=0.15)", "from": -2, "to": 2}
    for name, value in defaults.items():
        assert state[name] == value or (name == "pair" and "Polynomial" in value + address)
    assert state["rate"] == 0.1
    assert state["A0"][0] == "1"
    surrogate.get(state["pair"])
    if address != "&&&===&=&#?":
        said = explorer.ask("document.getElementById('message').textContent")
        assert said.startswith("Of this address was left out:")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 768, 1280, 1800])
def test_it_fits_any_width_in_both_themes(explorer: Page, width: int, scheme: str) -> None:
    explorer.prefer(scheme)
    explorer.resize(width, 800, scale=2 if width < 500 else 1, mobile=width < 500)
    explorer.settle()
    explorer.settle()
    assert explorer.ask("document.documentElement.scrollWidth") <= width
    outside = explorer.ask(
        f"[...{CONTROLS}, ...document.querySelectorAll('canvas')]"
        ".filter((each) => { const box = each.getBoundingClientRect(); "
        "return box.width && (box.left < 0 || box.right > width); }).map((each) => each.id)",
        width=width,
    )
    assert outside == []
    sharp = explorer.ask(
        "[...document.querySelectorAll('canvas.plot')]"
        ".every((each) => each.width === Math.round(each.clientWidth * devicePixelRatio))"
    )
    assert sharp
    paper = explorer.ask("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(each) for each in paper[4:-1].split(","))
    assert brightness < 150 if scheme == "dark" else brightness > 600
    explorer.prefer("light")


def test_the_theme_can_be_chosen(explorer: Page) -> None:
    explorer.prefer("light")
    explorer.settle()
    before = drawn(explorer, "values")
    explorer.ask("document.getElementById('theme').click()")
    explorer.settle()
    assert explorer.ask("document.documentElement.dataset.theme") == "dark"
    assert "theme=dark" in explorer.ask("location.hash")
    assert drawn(explorer, "values") != before
    explorer.ask("document.getElementById('theme').click()")
    explorer.settle()
    assert explorer.ask("location.hash") == ""
    assert drawn(explorer, "values") == before


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(explorer: Page) -> None:
    explorer.choose("set-preset", "relu_directional")
    unnamed = explorer.ask(
        f"{CONTROLS}.filter((each) => !each.labels?.length && !each.textContent.trim() "
        "&& !each.getAttribute('aria-label')).map((each) => each.outerHTML)"
    )
    assert unnamed == []
    usable = explorer.ask(
        f"{CONTROLS}.filter((each) => !each.disabled && each.offsetParent)"
        ".map((each, i) => (each.dataset.number = i)).length"
    )
    explorer.ask("void (document.activeElement.blur(), scrollTo(0, 0))")
    reached = []
    for _ in range(usable + 1):
        explorer.press("Tab", 9)
        number, outline = explorer.ask(
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
    with browser.page(file.as_uri()) as opened:
        opened.choose("function", "Bump")
        opened.choose("derivative", "Wiggle")
        assert opened.ask("explorer.state.pair") == "Bump() / Wiggle()"
        assert "sampled by Python" in opened.ask("document.getElementById('notes').textContent")
        assert opened.ask("document.querySelectorAll('#editor input').length") == 0
        found = opened.ask("explorer.at('Bump() / Wiggle()', x, 1)", x=points)
        with pytest.raises(BrowserError, match="Clip: derivative must be pointwise"):
            opened.ask("explorer.reads('ReLU() / DerivativeOf(Bump()).clip(low=0.0)')")
        assert opened.errors == []
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
    with browser.page(file.as_uri()) as opened:
        legend = opened.ask("document.querySelector('#losses .legend').textContent")
        assert "relu 0.1, 2 seeds" in legend
        assert "<b>bold</b></script> 0.2, 1 seed" in legend
        before = drawn(opened, "losses-0")
        opened.ask("document.querySelector('#losses input').click()")
        assert drawn(opened, "losses-0") != before
        assert opened.errors == []


def test_without_runs_there_are_no_curves(browser: Browser, tmp_path: Path) -> None:
    assert command.main(["-o", str(tmp_path / "new" / "explorer.html")]) == 0
    with browser.page((tmp_path / "new" / "explorer.html").as_uri()) as opened:
        assert opened.ask("document.getElementById('losses').hidden")
        assert opened.errors == []


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
    with pytest.raises(BrowserError, match="chromium is not installed"):
        Browser(tmp_path)


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
