"""What `pair.plot()` draws is what the pair computes and reports."""

from __future__ import annotations

import math
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.catalogue import catalogue
from surrogate.diagnostics.plot import DOWN, UP, Line, curves, line, sample

NAMES = list(catalogue)  # before other tests register theirs


def drawn(figure: Figure) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What a figure's lines show, by their labels."""
    (axes,) = figure.axes
    lines = {str(each.get_label()): each for each in axes.lines}
    return {
        label: (np.asarray(each.get_xdata()), np.asarray(each.get_ydata()))
        for label, each in lines.items()
        if not label.startswith("_")
    }


def backward(pair: nn.Module, x: Tensor, upstream: float) -> Tensor:
    x = x.clone().requires_grad_()
    pair(x).backward(torch.full_like(x, upstream))
    assert x.grad is not None
    return x.grad


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_the_values_and_slopes_of_the_pair(name: str) -> None:
    pair = surrogate.get(name).eval()
    lines = drawn(pair.plot(low=-2.0, high=1.5))
    reported = {"reported derivative"} if pair.derivative.linear else {UP, DOWN}
    assert set(lines) == {"function", "true derivative"} | reported
    for label, (xs, ys) in lines.items():
        seen = ~np.isnan(ys)
        x, y = torch.from_numpy(xs[seen]), torch.from_numpy(ys[seen])
        assert torch.isin(sample(-2.0, 1.5), x).all()
        assert (x.diff() >= 0).all()
        if label == "function":
            expected = pair(x)
        elif label == "true derivative":
            expected = torch.func.vjp(pair.function, x)[1](torch.ones_like(x))[0]
        else:
            upstream = -3.0 if label == DOWN else 3.0
            expected = backward(pair, x, upstream) / upstream
        torch.testing.assert_close(y, expected.detach(), rtol=1e-12, atol=1e-12)


def test_a_directional_derivative_has_two_slopes() -> None:
    lines = drawn(surrogate.get("relu_directional").plot())
    x, y = lines[UP]
    assert np.array_equal(y[~np.isnan(y)], (x > 0)[~np.isnan(y)].astype(float))
    assert (lines[DOWN][1] == 1).all()


def test_jumps_are_gaps_at_their_places() -> None:
    x, y, noise = line(f.Staircase(), sample(-2.6, 2.7))
    places = x[y.isnan()]
    assert not noise
    torch.testing.assert_close(places, torch.arange(-2.5, 3.0, 1.0).double(), rtol=0, atol=1e-15)
    (gaps,) = y.isnan().nonzero(as_tuple=True)
    for gap in gaps.tolist():
        assert y[gap + 1] - y[gap - 1] == 1, "the values on both sides"
        assert 0 <= x[gap + 1] - x[gap - 1] < 1e-15
    levels = [part for part in np.split(y.numpy(), gaps.numpy())]
    assert [set(level[~np.isnan(level)]) for level in levels] == [
        {float(step)} for step in range(-3, 4)
    ]


def test_what_is_steep_is_no_jump() -> None:
    for function in (f.SoftStaircase(softness=1e-3), f.ReLU(), f.Sigmoid()):
        assert not line(function, sample(-3, 3)).y.isnan().any()
    assert not line(lambda x: torch.where(x > 0, 1.0 + x, x), sample(-3, 3)).y.diff().isnan().all()


def test_small_jumps_are_joined() -> None:
    assert line(f.Staircase(step=0.02), sample(-3, 3)).y.isnan().sum() == 0
    assert line(f.Staircase(step=0.25), sample(-3, 3)).y.isnan().sum() == 24


def test_noise_is_drawn_as_dots() -> None:
    figure = surrogate.get("relu_noisy").plot()
    (dots,) = (each for each in figure.axes[0].lines if each.get_linestyle() == "None")
    assert dots.get_label() == "reported derivative"
    assert dots.get_marker() == "."
    assert len(np.asarray(dots.get_xdata())) == 600
    assert not line(f.Bernoulli(), sample(-3, 3)).noise


def test_a_rule_for_the_whole_tensor_is_drawn_for_the_points_of_the_figure() -> None:
    pair = SurrogateActivation(f.ReLU(), d.ClipNorm(limit=1.0))
    lines = curves(pair, sample(-1, 1, 40))
    expected = backward(pair, sample(-1, 1, 40), 1.0)
    assert lines[UP].y.equal(expected)
    assert lines["true derivative"].y.isnan().sum() == 1


def test_any_callables_can_be_drawn() -> None:
    spike = SurrogateActivation(lambda x: (x > 0).to(x), lambda x: 1 / (1 + x.abs()) ** 2)
    lines = drawn(spike.plot())
    x, y = lines["reported derivative"]
    np.testing.assert_allclose(y, 1 / (1 + abs(x)) ** 2, rtol=1e-12)
    assert (lines["true derivative"][1] == 0).all(), "autograd sees no x in it"
    assert np.isnan(lines["function"][1]).sum() == 1
    pole = SurrogateActivation(lambda x: 1 / x, d.Exact())
    assert drawn(pole.plot())["function"][1].shape == (603,), "a gap at the pole"


def test_modules_numbers_that_are_learned_and_no_grad() -> None:
    prelu = SurrogateActivation(nn.PReLU(), d.Exact())
    learned = SurrogateActivation(f.Staircase(Learnable(0.5)), d.Blurred(width=Learnable(0.2)))
    with torch.no_grad():
        lines = drawn(prelu.plot())
        assert set(drawn(learned.plot())) == set(lines)
    assert min(lines["true derivative"][1][:10]) == 0.25
    assert prelu.function.weight.grad is None  # type: ignore[union-attr]
    half = SurrogateActivation(nn.PReLU().half(), d.Exact())
    assert drawn(half.plot())["function"][0].dtype == np.float16


def test_axes_that_are_given_are_drawn_on() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert surrogate.get("relu").plot(right, low=-1, high=2) is figure
    assert not left.lines
    assert right.get_xlim() == (-1, 2)
    assert right.get_title() == "ReLU() / Exact()"
    assert right.get_xlabel() == "x"
    part = figure.add_subfigure(figure.add_gridspec(1, 2)[0])
    assert surrogate.get("relu").plot(part.add_subplot()) is figure


def test_a_notebook_shows_the_picture_and_pyplot_does_not_know_it() -> None:
    from matplotlib import pyplot

    figure = surrogate.get("relu").plot()
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 1.0), (2.0, -2.0), (-math.inf, 1.0), (0.0, math.nan)]
)
def test_ends_must_be_in_order(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low must be below high, both finite, got"):
        surrogate.get("relu").plot(low=low, high=high)


def test_axes_must_be_axes() -> None:
    with pytest.raises(TypeError, match="axes must be matplotlib Axes, got Figure"):
        surrogate.get("relu").plot(Figure())  # type: ignore[arg-type]


def test_matplotlib_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "surrogate.diagnostics.plot")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match="drawing needs matplotlib: pip install") as found:
        surrogate.get("relu").plot()
    assert '"surrogate[plot]"' in str(found.value)
    assert found.value.name


def test_lines_have_no_order_but_that_of_x() -> None:
    for each in curves(surrogate.get("sign_ste"), sample(-3, 3)).values():
        assert isinstance(each, Line)
        assert all(a <= b for a, b in pairwise(each.x.tolist()))


def test_the_colours_differ() -> None:
    axes: Axes = surrogate.get("relu_directional").plot().axes[0]
    handles, labels = axes.get_legend_handles_labels()
    assert len({str(handle.get_color()) for handle in handles}) == len(labels) == 4  # type: ignore[attr-defined]
