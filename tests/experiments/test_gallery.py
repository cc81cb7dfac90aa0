"""What activations do to a distribution, drawn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from PIL import Image

import surrogate
from experiments.pictures import gallery
from experiments.pictures.distributions import distribution, distributions
from experiments.runs.run import folder_name
from surrogate.catalogue import catalogue

# mean and standard deviation
MOMENTS = {
    "normal(1.5, 0.5)": (1.5, 0.5),
    "uniform(-1, 3)": (1.0, 4 / math.sqrt(12)),
    "laplace(-1, 0.5)": (-1.0, 0.5 * math.sqrt(2)),
    "student(6)": (0.0, math.sqrt(6 / 4)),
    "exponential(scale=2)": (2.0, 2.0),
    "bimodal(distance=4, std=0.5)": (0.0, math.sqrt(4 + 0.25)),
}


def test_every_distribution_is_tested() -> None:
    assert {text.partition("(")[0] for text in MOMENTS} == set(distributions)


@pytest.mark.parametrize("text", MOMENTS)
def test_distributions_have_their_moments(text: str) -> None:
    """Within five standard errors of a mean, and 3 % of a standard deviation."""
    given = distribution(text)
    numbers = given.sample(40_000, seed=1)
    mean, std = MOMENTS[text]
    assert numbers.dtype == torch.float64
    assert numbers.mean().item() == pytest.approx(mean, abs=5 * std / 200)
    assert numbers.std().item() == pytest.approx(std, rel=0.03)
    assert numbers.equal(given.sample(40_000, seed=1))
    assert not numbers.equal(given.sample(40_000, seed=2))
    assert distribution(str(given)) == given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("norml(0, 1)", "unknown distribution 'norml'; did you mean 'normal'?"),
        ("normal(0)", "normal needs the argument 'std'"),
        ("normal(0, sd=1)", r"normal has no argument 'sd'; did you mean 'std'\?"),
        ("normal(0, -1)", "Normal: std must be a finite number above 0, got -1"),
        ("uniform(2, 1)", "Uniform: high must be a finite number above 2, got 1"),
        ("normal(0, ReLU())", "ReLU is a function"),
        ("normal", "expected a distribution, such as normal\\(0, 1\\)"),
        ("__import__('os').getcwd()", "expected a distribution"),
        ("", "something is missing"),
    ],
)
def test_bad_inputs_are_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?").replace(r"\\?", r"\?")):
        distribution(text)


def test_a_histogram_is_numpys() -> None:
    numbers = distribution("normal(0, 1)").sample(5_000, 0)
    shown = gallery.histogram(numbers)
    array = numbers.numpy()
    low, high = np.quantile(array, [0.001, 0.999])
    counts, edges = np.histogram(array, 100, (low, high))
    assert np.array_equal(shown.shares, counts / 5_000)
    assert np.array_equal(shown.edges, edges)
    assert (shown.mean, shown.deviation) == (np.mean(array), np.std(array))
    assert shown.lost == 0
    assert str(shown) == f"mean {array.mean():z.2f}, standard deviation {array.std():.2f}"


def test_what_is_not_finite_is_counted_apart() -> None:
    shown = gallery.histogram(torch.tensor([1.0, 3.0, math.nan, math.inf]))
    assert (shown.mean, shown.deviation, shown.lost) == (2.0, 1.0, 0.5)
    assert shown.shares.sum() <= 0.5
    assert str(shown).endswith("not finite 50.0%")
    nothing = gallery.histogram(torch.tensor([math.nan]))
    assert nothing.lost == 1
    constant = gallery.histogram(torch.zeros(9))
    assert constant.shares.max() == 1
    assert (constant.mean, constant.deviation) == (0, 0)


def test_a_bar_of_one_value_is_cut_off_and_labelled() -> None:
    numbers = distribution("normal(0, 1)").sample(20_000, 0)
    shown = gallery.exhibit("relu", numbers)
    assert shown.output.shares[0] > 0.5
    assert shown.output.top < 0.1
    figure = gallery.panels(shown, distribution("normal(0, 1)"))
    share = 100 * (numbers <= shown.output.edges[1]).double().mean()
    assert [text.get_text() for text in figure.axes[2].texts] == [f"{share:.0f} %"]
    assert gallery.exhibit("sign_ste", numbers).output.top > 0.4, "few values are few bars"


def test_three_panels_show_input_lines_and_output() -> None:
    given = distribution("uniform(-2, 2)")
    numbers = given.sample(3_000, 0)
    shown = gallery.exhibit("staircase_blurred", numbers)
    figure = gallery.panels(shown, given)
    left, middle, right = figure.axes
    pair = surrogate.get("staircase_blurred")
    for axes, expected in ((left, numbers), (right, pair(numbers))):
        (bars,) = (each for each in axes.patches if isinstance(each, StepPatch))
        assert np.array_equal(bars.get_data()[0], 100 * gallery.histogram(expected).shares)
        mean, std = expected.mean().item(), expected.std(correction=0).item()
        assert axes.lines[0].get_xdata() == pytest.approx([mean, mean])
        assert f"mean {mean:z.2f}, standard deviation {std:.2f}" in axes.get_xlabel()
    labels = [line.get_label() for line in middle.lines[1:]]
    assert labels == ["reported derivative", "function", "true derivative"]
    y = np.asarray(middle.lines[2].get_ydata())
    x = torch.from_numpy(np.asarray(middle.lines[2].get_xdata()))
    assert np.array_equal(y[~np.isnan(y)], pair(x)[~np.isnan(y)].numpy())
    assert left.get_xlim()[0] < -1.99 < 1.99 < left.get_xlim()[1]
    assert figure.get_suptitle().startswith("staircase_blurred: Staircase(step=0.5) / Blurred")


def test_what_is_drawn_at_random_is_the_same_each_time() -> None:
    numbers = distribution("normal(0, 1)").sample(1000, 0)
    first, second = (gallery.exhibit("Bernoulli() / Constant()", numbers) for _ in range(2))
    assert first.output.mean == second.output.mean
    np.testing.assert_array_equal(first.lines["function"].y, second.lines["function"].y)


def test_the_overview_has_a_cell_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = distribution("normal(0, 1)").sample(500, 0)
    names = ["linear", "cantor2", "relu_directional", "relu", "gelu", "sigmoid", "tanh", "sin"]
    page = gallery.overview(
        [gallery.exhibit(name, numbers) for name in names], distribution("normal(0, 1)")
    )
    cells = [axes for axes in page.axes if axes.get_visible() and axes.get_title(loc="left")]
    assert [axes.get_title(loc="left").split()[0] for axes in cells] == names
    assert (
        cells[0].get_title(loc="left")
        == f"linear ({numbers.mean():z.2f} ± {numbers.std(correction=0):.2f})"
    )
    assert len(page.axes[:14]) == 14
    assert [axes.get_visible() for axes in page.axes[8:14]] == [False] * 6


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_entries", dict(catalogue._entries))
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import surrogate\n"
        "surrogate.register(lambda: surrogate.SurrogateActivation("
        "lambda x: (x > 0).to(x), lambda x: (-x.abs()).exp()), 'bump')\n"
    )
    acts = ["bump", "Staircase() / Constant()"]
    arguments = ["--act", *acts, "--input", "student(3)", "--samples", "999", "--seed", "7"]
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert gallery.main([*arguments, "--import", str(mine), "-o", str(folder)]) == 0
        names = ["overview.png", *(f"pairs/{folder_name(act)}.png" for act in acts)]
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")} == {*names}
        written.append([(folder / name).read_bytes() for name in names])
        assert str(folder / "overview.png") in capsys.readouterr().out
    assert written[0] == written[1]
    with Image.open(tmp_path / "a" / "overview.png") as image:
        assert image.width > 300


def test_the_whole_catalogue_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(surrogate, "names", lambda: ["relu", "cantor"])
    monkeypatch.setattr(gallery, "save", lambda figure, path: names.append(path.name))
    monkeypatch.setattr(gallery, "panels", lambda shown, given: Figure())
    assert gallery.main(["-o", str(tmp_path), "--samples", "50"]) == 0
    assert names == ["relu.png", "cantor.png", "overview.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "norml(0, 1)"], "error: --input: unknown distribution 'norml'; did you mean"),
        (["--act", "cantr2"], "error: --act: unknown activation 'cantr2'; did you mean 'cantor2'?"),
        (["--act", "Gaussian()"], "error: --act: Gaussian is half a pair"),
        (["--samples", "0"], "error: --samples must be at least 1, got 0"),
        (["--seed", "-1"], "error: --seed must be at least 0, got -1"),
        (["--import", "nothing.py"], "error: --import nothing.py: FileNotFoundError"),
    ],
)
def test_bad_options_are_explained(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gallery.main(["-o", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
