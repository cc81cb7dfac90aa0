"""The page: what it draws is what the library computes, and it can be used in a browser."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Error, Page

import surrogate
from experiments.pictures.explorer import command, parts, samples
from experiments.site import catalogue
from surrogate.derivatives.blurred import BlurredByLayers
from surrogate.functions import PiecewiseConstant
from surrogate.functions.kernels import KERNELS
from tests.browser import errors, opened

RESULTS = Path(__file__).parents[2] / "docs" / "results"
REGISTERED = {kind: dict(registry._entries) for kind, registry in catalogue.REGISTRIES.items()}
NAMES = {kind: parts.names(kind) for kind in ("functions", "derivatives")}
DRAWN = {"RReLU", "Bernoulli"}  # LeakyReLU and Heaviside with a number that is drawn

# No tie and no jump lies on these points.
POINTS = [-2.9 + 0.1417 * i for i in range(41)]
UPSTREAM = (1.0, -0.7)


@pytest.fixture(scope="module", autouse=True)
def _what_is_ours() -> Iterator[None]:
    """Without what other tests register."""
    with pytest.MonkeyPatch.context() as patch:
        for kind, registry in catalogue.REGISTRIES.items():
            patch.setattr(registry, "_entries", dict(REGISTERED[kind]))
        yield


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the page with the committed runs."""
    output = tmp_path_factory.mktemp("explorer") / "explorer.html"
    assert command.main(["-o", str(output), "--runs", str(RESULTS / "claims.jsonl")]) == 0
    return output.as_uri()


@pytest.fixture(scope="module")
def explorer(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page


def same_parts(kind: str) -> Iterator[Any]:
    """Every function or derivative: as the catalogue shows it, and with each argument turned."""
    known = parts.known()[kind]
    for name in NAMES[kind]:
        pair = catalogue.Entry(kind, name).pair
        part: Any = pair.function if kind == "functions" else pair.derivative
        yield part
        given = {each["name"]: getattr(part, each["name"]) for each in known[name]["parameters"]}
        for parameter in known[name]["parameters"]:
            for value in turned(parameter, given[parameter["name"]]):
                if is_taken(part, {parameter["name"]: value}):
                    yield dataclasses.replace(part, **{parameter["name"]: value})


def is_taken(part: Any, changes: dict[str, Any]) -> bool:
    """Whether the library takes the part with these arguments."""
    try:
        dataclasses.replace(part, **changes)
    except (TypeError, ValueError):
        return False
    return True


def turned(parameter: dict[str, Any], start: Any) -> list[Any]:
    """Other values of an argument."""
    if parameter["kind"] == "choice":
        return parameter["choices"]
    if parameter["kind"] == "numbers":
        return [(0.3, -1.2), (1.0, 0.5, -0.25, 0.125)]
    if parameter["kind"] not in ("number", "integer"):
        return []
    start = 0 if start is None else start
    ends = [start + (end - start) * 0.37 for end in (parameter["low"], parameter["high"])]
    return [round(end) if parameter["kind"] == "integer" else round(end, 3) for end in ends]


BLURRED = (
    "Blurred(width=0.3)",
    "Blurred(width=1.5, kernel='triangle')",
    "Blurred(width=0.4, kernel='logistic')",
    "Blurred(width=0.7, kernel='box')",
)


def texts() -> Iterator[str]:
    yield from parts.known()["pairs"]
    for function in same_parts("functions"):
        yield f"{function!r} / Exact()"
    for derivative in same_parts("derivatives"):
        name = type(derivative).__name__
        yield f"{catalogue.Entry('derivatives', name).pair.function!r} / {derivative!r}"
    at_other_places = (
        *BLURRED,
        "Directional(width=0.7)",
        "Perturbed(width=0.4, samples=3, seed=5)",
    )
    anywhere = (
        "EWGS(delta=0.5, derivative=Gaussian())",
        "Noisy(derivative=Exact(), std=0.2, at='input')",
    )
    for place, (name, derivative) in enumerate(
        itertools.product(NAMES["functions"], (*at_other_places, *anywhere))
    ):
        function: Any = catalogue.Entry("functions", name).pair.function
        if derivative in BLURRED and place % 3:
            continue  # a third, as each makes a table
        if function.elementwise or derivative in anywhere:
            yield f"{function!r} / {derivative}"
    yield "Softplus(beta=2.0)"
    yield from (
        f"ReLU() / {derivative}"
        for derivative in (
            "0.9 * Constant() + 0.1 * Exact()",
            "Gaussian() * Laplace(width=0.5)",
            "Gaussian(width=0.3).shift(distance=1.0)",
            "Triangle().scale(width=2.5)",
            "(2.0 * Exact() + Gaussian()).mirror()",
            "Laplace(height=2.0).clip(low=0.1, high=0.7)",
            "Gaussian(height=3.0).normalise(measure='area')",
            "Cauchy(power=1.5).normalise(measure='area')",
            "(Gaussian() + Box()).normalise(measure='peak')",
            "Gaussian(height=-2.0).normalise(measure='peak')",
            "Directional() + Constant(value=0.5)",
            "-1.0 * ClipValue(limit=0.2)",
            "Towards(low=0.0) * Gaussian()",
            "Uniform() * Box(left=0.0)",
            "Gaussian() + -1.0 * Laplace()",
            "Noisy(derivative=Centralise(derivative=Gaussian()), std=0.2)",
            "Noisy(derivative=Centralise(derivative=Gaussian()), std=0.2, at='input')",
            "Centralise(derivative=Gaussian()).shift(distance=0.5)",
            "(2.0 * Centralise(derivative=Gaussian())).scale(width=0.5)",
            "(Centralise(derivative=Gaussian()) + Exact()).mirror()",
            "Split(left=Centralise(derivative=Exact()), right=Gaussian(), tie='left')",
            "Directional(left=Centralise(derivative=Exact()), right=Constant())",
            "Gaussian() * Centralise(derivative=Exact())",
            "Gaussian() * ClipValue(limit=0.5)",
            "DerivativeOf(function=MagnitudeSign()) + Exact()",
            "DerivativeOf(function=MagnitudeSign()).clip(low=0.25)",
        )
    )


def expected(text: str) -> dict[str, Any]:
    """What the library has at the points: value, true slope, and what is reported."""
    pair = surrogate.get(text).eval()
    x = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    y = pair(x)
    true = pair.function(x)
    ones = torch.ones_like(x)
    gradients = [torch.autograd.grad(y, x, g * ones, retain_graph=True)[0] for g in UPSTREAM]
    (slope,) = torch.autograd.grad(true, x, ones)
    return {
        "value": y.detach(),
        "slope": slope,
        **{f"reported for {g}": each for g, each in zip(UPSTREAM, gradients, strict=True)},
    }


@pytest.mark.parametrize(
    "derivative",
    [
        "Blurred()",
        "Perturbed()",
        "Directional()",
        "Directional(left=Exact())",
        "Exact() + Blurred(function=MagnitudeSign())",
    ],
)
def test_what_the_library_refuses_has_no_slope_in_the_page(explorer: Page, derivative: str) -> None:
    """It would evaluate a function at other places that is not elementwise."""
    text = f"MagnitudeSign() / {derivative}"
    with pytest.raises(ValueError, match="not elementwise"):
        surrogate.get(text)
    with pytest.raises(Error, match="not elementwise"):
        explorer.evaluate("(text) => explorer.at(text, [0.5], 1)", text)


def tolerance(text: str, wanted: torch.Tensor) -> float:
    if text in REGISTERED["pairs"]:
        return 1e-3
    pair = surrogate.get(text)
    derivative: Any = pair.derivative
    allowed = 1e-3 * max(1.0, float(wanted.abs().max()))
    bound = derivative.bind(pair.function)
    if isinstance(bound, BlurredByLayers) and isinstance(pair.function, PiecewiseConstant):
        # k(0) / 100 times the variation below the kernel: at most four jumps of 1.
        return allowed + KERNELS[derivative.kernel].peak / derivative.width / 100 * 4
    return allowed


def test_everything_drawn_is_what_the_library_computes(explorer: Page) -> None:
    every = list(dict.fromkeys(texts()))
    assert len(every) > 600
    drawn = explorer.evaluate(
        "([texts, x, upstream]) => "
        "texts.map((text) => upstream.map((g) => explorer.at(text, x, g)))",
        [every, POINTS, UPSTREAM],
    )
    wrong = []
    for text, results in zip(every, drawn, strict=True):
        found = {"value": results[0]["value"], "slope": results[0]["slope"]}
        for g, result in zip(UPSTREAM, results, strict=True):
            found[f"reported for {g}"] = result["reported"]
        for what, wanted in expected(text).items():
            got = [math.nan if each is None else each for each in found[what]]
            difference = (torch.tensor(got, dtype=torch.float64) - wanted).abs().max()
            if not difference <= tolerance(text, wanted):
                wrong.append(f"{text}: {what} is off by {difference:.2g}")
    assert not wrong, f"{len(wrong)} of {len(every)}:\n" + "\n".join(wrong[:60])


def test_every_function_and_derivative_has_a_twin(explorer: Page) -> None:
    """What has none appears too, sampled; here is the list of those that are meant to be."""
    assert {kind: samples.without_twin(kind) for kind in ("functions", "derivatives")} == {
        "functions": [],
        "derivatives": [],
    }
    twins = explorer.evaluate("explorer.twins")
    combinations = {type(part).__name__ for part in parts.COMBINATIONS}
    assert set(twins["functions"]) == samples.twins("functions") == set(NAMES["functions"])
    assert set(REGISTERED["functions"]) - set(NAMES["functions"]) == DRAWN
    assert set(twins["derivatives"]) == samples.twins("derivatives")
    assert set(twins["derivatives"]) == set(REGISTERED["derivatives"]) | combinations


def test_texts_are_read_and_written_as_the_library_does(explorer: Page) -> None:
    every = list(dict.fromkeys(texts()))
    written = explorer.evaluate("(texts) => texts.map(explorer.reads)", every)
    for text, back in zip(every, written, strict=True):
        assert repr(surrogate.get(back)) == repr(surrogate.get(text)), text
    named = parts.known()["pairs"]
    assert set(surrogate.names()) - set(named) == {"rrelu"}
    for name in named:
        assert written[every.index(name)] == str(surrogate.get(name))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the functions"),
        ("ReLU() Exact()", "expected /"),
        ("rrelu", "rrelu is none of the functions"),
        ("RReLU() / Exact()", "RReLU is none of the functions"),
        ("LeakyReLU(Drawn(0.1, 0.3)) / Exact()", "drawn numbers can't be shown"),
        ("ReLU / Exact()", "expected ("),
        ("ReLU() / Exact() /", "can't read /"),
        ("ReLU() / Exact", "expected ("),
        ("Exact() / ReLU()", "Exact is none of the functions"),
        ("ReLU() / 2", "a number is no derivative"),
        ("ReLU() / Gaussian(width=0.0)", "Gaussian: width must be"),
        ("ReLU() / Gaussian(width=1e9)", "Gaussian: width must be"),
        ("ReLU() / Gaussian(width=None)", "Gaussian: width must be"),
        ("ReLU() / Gaussian(width='a')", "Gaussian: width must be"),
        ("ReLU() / Gaussian(1.0, 1.0, 1.0)", "takes no such argument"),
        ("ReLU() / Gaussian(1.0, width=1.0)", "given twice"),
        ("ReLU() / Gaussian(depth=1)", "takes no such argument"),
        ("Cantor(depth=2.5) / Exact()", "an integer"),
        ("Cantor(depth=Learnable(2.0)) / Exact()", "fixed"),
        ("Clamp(low=2.0, high=1.0) / Exact()", "high must be above low"),
        ("LightReLU(most=1.0, shift=-1.0) / Exact()", "shift must be"),
        ("Clamp(low=None, high=None) / Exact()", "must be given"),
        ("ReLU() / Blurred(kernel='round')", "kernel must be one of"),
        ("ReLU() / Noisy(ClipValue(0.5), 0.1)", "independent of the upstream gradient"),
        ("ReLU() / ClipValue(0.5).shift(1.0)", "independent of the upstream gradient"),
        ("ReLU() / Centralise().clip(low=0.0)", "must be pointwise"),
        ("ReLU() / ClipValue(0.5) * Centralise()", "one is pointwise"),
        ("ReLU() / Exact().__class__()", "no such method"),
        ("ReLU() / constructor()", "none of the derivatives"),
        ("ReLU() / __proto__()", "none of the derivatives"),
        ("Polynomial(()) / Exact()", "one to eight numbers"),
        ("ReLU() / " + "Noisy(" * 20, "nested too deep"),
        ("ReLU() / " + "-" * 1000 + "Exact()", ""),
        ("ReLU() / " + " + ".join(["Exact()"] * 300), "at most 2000 characters"),
    ],
)
def test_bad_texts_are_refused(explorer: Page, text: str, says: str) -> None:
    refused = explorer.evaluate(
        "(text) => { try { return ['read', explorer.reads(text)]; } "
        "catch (error) { return [error.constructor.name, error.message]; } }",
        text,
    )
    assert refused[0] == "TextError"
    assert says in refused[1]


def test_sliders_end_where_the_library_does() -> None:
    """Each function and derivative is taken with every number at either end of its slider."""
    known = parts.known()
    for kind in ("functions", "derivatives"):
        for name, entry in known[kind].items():
            shown = (
                next(part for part in parts.COMBINATIONS if type(part).__name__ == name)
                if entry["family"] == "combinations"
                else getattr(catalogue.Entry(kind, name).pair, kind[:-1])
            )
            start = {each["name"]: getattr(shown, each["name"]) for each in entry["parameters"]}
            numbers = [
                each for each in entry["parameters"] if each["kind"] in ("number", "integer")
            ]
            for ends in itertools.product(*((each["low"], each["high"]) for each in numbers)):
                given = {
                    **start,
                    **{
                        each["name"]: int(end) if each["kind"] == "integer" else float(end)
                        for each, end in zip(numbers, ends, strict=True)
                    },
                }
                keeps = all(
                    _keeps(given, each["name"], limit)
                    for each in numbers
                    for limit in each["bounds"]
                )
                assert is_taken(shown, given) == keeps, (name, given)


def _keeps(given: dict[str, Any], name: str, bound: dict[str, Any]) -> bool:
    place = given[name] - bound["sign"] * given[bound["other"]]
    return {"above": place > 0, "least": place >= 0, "below": place < 0, "most": place <= 0}[
        bound["word"]
    ]


@pytest.mark.parametrize("name", ["relu", "gelu", "cantor2", "sin", "relu_directional"])
@pytest.mark.parametrize("law", ["normal", "uniform", "exponential"])
def test_distributions_have_the_library_s_moments(explorer: Page, name: str, law: str) -> None:
    given = {"input": law, "mean": 0.3, "std": 1.2}
    found = explorer.evaluate(
        "([text, given]) => (({input, output, reported}) => ({input, output, reported}))"
        "(explorer.distribution(text, given))",
        [name, given],
    )
    share = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000  # of all inputs
    z = {
        "normal": torch.special.ndtri(share),
        "uniform": (share * 2 - 1) * math.sqrt(3),
        "exponential": -torch.log1p(-share) - 1,
    }[law]
    x = (0.3 + 1.2 * z).requires_grad_()
    y = surrogate.get(name)(x)
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    for what, values in {"input": x, "output": y, "reported": x.grad}.items():
        values = values.detach()
        assert found[what]["mean"] == pytest.approx(float(values.mean()), abs=3e-3)
        assert found[what]["std"] == pytest.approx(float(values.std()), abs=3e-3)
    zero = float((x.grad == 0).double().mean())
    assert found["reported"]["zero"] == pytest.approx(zero, abs=3e-3)


@pytest.mark.parametrize("name", ["staircase_blurred", "relu_directional", "gelu", "cantor"])
def test_the_ball_rolls_as_torch_s_sgd_does(explorer: Page, name: str) -> None:
    given = {"start": -1.63, "target": 0.8, "rate": 0.11, "momentum": 0.6, "steps": 50}
    path = explorer.evaluate("([text, given]) => explorer.rolled(text, given)", [name, given])
    pair = surrogate.get(name)
    x = torch.tensor([given["start"]], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=given["rate"], momentum=given["momentum"])
    places, losses = [x.item()], []
    for _ in range(50):
        loss = ((pair(x) - given["target"]) ** 2 / 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        places.append(x.item())
        losses.append(loss.item())
    assert path["x"] == pytest.approx(places, abs=0.02)
    assert path["loss"][:5] == pytest.approx(losses[:5], abs=1e-3)


def test_the_atlas_is_that_of_the_net(browser: Browser, address: str) -> None:
    given = {
        "pair": "Staircase(step=0.5) / Blurred(width=0.3)",
        "second": "tanh",
        "A0": "1,α,-β,sin(γ),γ*2,(α-1)/2",
    }
    parameters = ["α", "δ", "A0[1,0]", "b0[2]", "A1[0,1]", "b1[0]"]
    images = [(0.31, -1.27), (-2.2, 0.9), (1.4, 2.3)]
    with opened(browser, f"{address}#{'&'.join(map('='.join, given.items()))}") as page:
        states = page.evaluate("(images) => images.map(explorer.atlas)", images)
        rates = page.evaluate(
            "([images, parameters]) => "
            "images.map((image) => parameters.map((wrt) => explorer.sensitivity(image, wrt)))",
            [images, parameters],
        )
        assert not errors(page)
    a, b, c, d, zero, one = (
        torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for value in (0.6, 0.8, 0.7, 1.2, 0.0, 1.0)
    )
    weights = torch.stack([one, a, -b, torch.sin(c), c * 2, (a - 1) / 2]).reshape(3, 2)
    bias = torch.stack([zero, one / 2, -one / 2])
    last, last_bias = torch.stack([one, -one, d]), zero * 1
    first, second = surrogate.get(given["pair"]), surrogate.get("tanh")
    for image, state, rate in zip(images, states, rates, strict=True):
        x0 = weights @ torch.tensor(image, dtype=torch.float64) + bias
        a0 = first(x0)
        x1 = last @ a0 + last_bias
        a1 = second(x1)
        assert state["x0"] == pytest.approx(x0.tolist())
        assert state["a0"] == pytest.approx(a0.tolist())
        assert [state["x1"], state["a1"]] == pytest.approx([x1.item(), a1.item()])
        by_a, by_d, by_weights, by_bias, by_last, by_last_bias = torch.autograd.grad(
            a1, [a, d, weights, bias, last, last_bias], retain_graph=True
        )
        wanted = [by_a, by_d, by_weights[1, 0], by_bias[2], by_last[1], by_last_bias]
        assert rate == pytest.approx([each.item() for each in wanted], abs=2e-3)
