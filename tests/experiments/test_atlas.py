"""The atlas, against a plain Python evaluation of the little network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from experiments.common.errors import UsageError
from experiments.pictures.atlas import command, picture
from experiments.pictures.atlas.network import Network, Parameter, Unit, plane
from experiments.pictures.atlas.presets import PRESETS
from experiments.pictures.atlas.settings import make_network

Scalar = Callable[[float], float]

A0, B0 = [[0.8, -1.3], [0.4, 0.9], [-1.1, 0.2]], [0.1, -0.2, 0.3]
A1, B1 = [[0.7, -0.6, 0.5], [-0.9, 0.3, 1.2]], [0.05, -0.15]
GIVEN = {"A0": str(A0), "b0": str(B0), "A1": str(A1), "b1": str(B1)}
POINTS = plane(2.0, 6)


def affine(matrix: Sequence[Sequence[float]], h: Sequence[float], bias: Sequence[float]):
    return [
        sum(a * v for a, v in zip(r, h, strict=True)) + b for r, b in zip(matrix, bias, strict=True)
    ]


def by_hand(act: Scalar, point: Sequence[float], a0=A0, b0=B0, a1=A1, b1=B1) -> list[list[float]]:
    """x⁽⁰⁾, a⁽⁰⁾, x⁽¹⁾, a⁽¹⁾."""
    first = affine(a0, point, b0)
    behind = [act(x) for x in first]
    second = affine(a1, behind, b1)
    return [first, behind, second, [act(x) for x in second]]


def network(act: str) -> Network:
    return make_network([act], GIVEN)


@pytest.mark.parametrize(
    ("act", "plain"),
    [
        ("tanh", math.tanh),
        ("relu", lambda x: max(x, 0.0)),
        # No point is on a tie of this step, of which the last digit would choose the side.
        ("Staircase(step=0.37) / Constant()", lambda x: 0.37 * round(x / 0.37)),
    ],
)
def test_states_are_those_of_the_formulas(act: str, plain: Scalar) -> None:
    states = network(act).states(POINTS)
    for row, point in enumerate(POINTS.tolist()):
        found = [part[row].tolist() for state in states for part in state]
        for got, expected in zip(found, by_hand(plain, point), strict=True):
            assert got == pytest.approx(expected, rel=1e-12, abs=1e-13)


def test_the_plane_is_the_middles_of_its_cells() -> None:
    points = plane(3.0, 4).reshape(4, 4, 2)
    assert points[0, :, 0].tolist() == pytest.approx([-2.25, -0.75, 0.75, 2.25])
    assert points[:, 0, 1].tolist() == pytest.approx([-2.25, -0.75, 0.75, 2.25])
    assert (points[1, :, 1] == -0.75).all()


@pytest.mark.parametrize("parameter", ["A0[0,1]", "A0[2,0]", "b0[1]", "A1[1,2]", "b1[0]"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_true_derivative_is_the_limit_of_differences(parameter: str, place: int) -> None:
    true = network("tanh").truthful()
    moved, unit = Parameter.read(parameter), Unit("a", 1, place)
    found = true.derivative(POINTS, moved, unit)
    step = 1e-5
    for row, point in enumerate(POINTS.tolist()):
        ends = []
        for side in (-step, step):
            numbers = {"A0": [r[:] for r in A0], "b0": B0[:], "A1": [r[:] for r in A1], "b1": B1[:]}
            owner = numbers[f"{moved.name}{moved.layer}"]
            for index in moved.place[:-1]:
                owner = owner[index]
            owner[moved.place[-1]] += side  # type: ignore[operator]
            states = by_hand(math.tanh, point, *numbers.values())
            ends.append(states[3][place])
        difference = (ends[1] - ends[0]) / (2 * step)
        assert found[row].item() == pytest.approx(difference, rel=1e-6, abs=1e-9)


def test_the_reported_derivative_is_the_chain_of_what_is_reported() -> None:
    """∂a1[k]/∂A0[i,j] = s · A1[k,i] · s · x_j with the slope s; the truth is 0."""
    lying = network("Staircase(step=0.5) / Constant(0.7)")
    for k, i, j in ((0, 1, 0), (1, 2, 1)):
        found = lying.derivative(POINTS, Parameter("A", 0, (i, j)), Unit("a", 1, k))
        torch.testing.assert_close(found, 0.49 * A1[k][i] * POINTS[:, j], rtol=1e-12, atol=1e-15)
        true = lying.truthful().derivative(POINTS, Parameter("A", 0, (i, j)), Unit("a", 1, k))
        assert not true.any()
    of_bias = lying.derivative(POINTS, Parameter("b", 0, (1,)), Unit("x", 1, 0))
    torch.testing.assert_close(
        of_bias, torch.full((36,), 0.7 * A1[0][1]).double(), rtol=1e-7, atol=0
    )


def test_what_depends_on_the_upstream_gradient_gets_that_of_the_unit() -> None:
    """ReLU with {left 1, right 1} above 0 and {left 0, right 1} below, by hand."""
    directional = network("relu_directional")

    def slope(x: float, g: float) -> float:
        return 1.0 if x > 0 or g < 0 else 0.0

    for k, i, j, g in ((0, 0, 0, 1.0), (0, 1, 1, -1.0), (1, 0, 1, 2.0), (1, 2, 0, -3.0)):
        found = directional.derivative(POINTS, Parameter("A", 0, (i, j)), Unit("a", 1, k), g)
        for row, point in enumerate(POINTS.tolist()):
            first, _, second, _ = by_hand(lambda x: max(x, 0.0), point)
            upstream = g * slope(second[k], g) * A1[k][i]
            expected = upstream * slope(first[i], upstream) * point[j] / g
            assert found[row].item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_parameter_behind_the_unit_moves_nothing() -> None:
    found = network("tanh").derivative(POINTS, Parameter("A", 1, (0, 0)), Unit("a", 0, 0))
    assert found.shape == (36,)
    assert not found.any()
    other = network("tanh").derivative(POINTS, Parameter("b", 0, (0,)), Unit("x", 0, 1))
    assert not other.any()


def test_flat_is_where_no_input_moves_the_unit() -> None:
    relu = network("relu")
    for k in range(2):
        flat = relu.is_flat(POINTS, Unit("a", 1, k))
        for row, point in enumerate(POINTS.tolist()):
            first, _, second, _ = by_hand(lambda x: max(x, 0.0), point)
            gradient = [
                sum(A1[k][i] * A0[i][j] for i in range(3) if first[i] > 0) if second[k] > 0 else 0
                for j in range(2)
            ]
            assert flat[row].item() == (gradient == [0, 0])
    assert network("cantor2").is_flat(POINTS, Unit("a", 1, 0)).all(), "by its true derivative"
    assert not network("tanh").is_flat(POINTS, Unit("a", 1, 0)).any()


def maps(preset: str) -> tuple[Network, dict[str, list[torch.Tensor]]]:
    options = command.read(["--preset", preset, "-o", "x.png"])
    given = command.assignments(options.set, "--set")
    made = make_network(
        options.act, given, options.depth, options.width, options.seed, options.coordinates
    )
    states = made.states(POINTS)
    return made, {name: [getattr(state, name) for state in states] for name in "xa"}


def test_along_every_line_a_polynomial_network_is_a_polynomial() -> None:
    """Of degree 9, that of two cubes: its tenth differences are 0. ReLU's are not."""
    for preset, smooth in (("polynomial", True), ("relu", False)):
        made, _ = maps(preset)
        lines = picture.Lines(made, Unit("a", 1, 0), (0, 33, 71, 120, 165), 2.0, points=41)
        found = []
        for angle in lines.angles:
            place, value = lines.along(angle)
            assert place.tolist() == pytest.approx(np.linspace(-2, 2, 41).tolist())
            differences = np.diff(value.numpy(), 10)
            found.append(abs(differences).max() < 1e-9 * max(abs(value).max().item(), 1e-3))
        assert all(found) == smooth
    direction = math.radians(33)
    at = torch.tensor([[math.cos(direction), math.sin(direction)]]).double() * 2.0
    assert lines.along(33)[1][-1].item() == pytest.approx(made.states(at)[1].a[0, 0].item())


def test_presets_show_what_they_say() -> None:
    _, relu = maps("relu")
    assert all((state == 0).any() for state in relu["a"]), "there is a region without influence"
    _, fourier = maps("fourier")
    torch.testing.assert_close(fourier["a"][0][:, 0], POINTS.sum(1))
    torch.testing.assert_close(fourier["a"][0][:, 1], POINTS[:, 0] - POINTS[:, 1])
    _, waves = maps("sin")
    _, moved = maps("sin_coordinates")
    phase = torch.tensor([1.6, -0.8], dtype=torch.float64)
    torch.testing.assert_close(moved["a"][0], torch.sin(waves["x"][0] + phase))


def test_what_is_given_is_used_and_the_rest_is_random() -> None:
    made = make_network(["relu"], {"A0": "[[1, {alpha}]]", "alpha": "3", "b1[0]": "7"}, seed=4)
    first, second = made.layers
    assert first.matrix.tolist() == [[1.0, 3.0]]
    assert second.matrix.shape == (4, 1)
    assert second.bias[0] == 7
    again = make_network(["relu"], {"A0": "[[1, 3]]"}, seed=4)
    assert again.layers[1].matrix.equal(second.matrix)
    assert (
        not make_network(["relu"], {}, seed=5)
        .layers[0]
        .matrix.equal(make_network(["relu"], {}, seed=4).layers[0].matrix)
    )
    deep = make_network(["tanh"], {}, depth=5, width=3)
    assert [tuple(layer.matrix.shape) for layer in deep.layers] == [(3, 2)] + [(3, 3)] * 4
    mixed = make_network(["relu", "cantor2", "tanh"], {})
    assert [str(layer.act.function) for layer in mixed.layers] == ["ReLU()", "Cantor()", "Tanh()"]
    letter = make_network(["SoftStaircase(softness={beta}) / Exact()"], {"beta": "0.25"})
    assert str(letter.layers[0].act) == "SoftStaircase(softness=0.25) / Exact()"


def test_rows_share_colours_and_say_what_they_show() -> None:
    lying = network("Staircase(step=0.5) / Constant()")
    rows = picture.state_rows(lying, POINTS)
    formulas = [row.formula for row in rows]
    assert formulas[0] == r"$x^{(0)} = A_0\, x + b_0$"
    assert formulas[2] == r"$x^{(1)} = A_1\, a^{(0)} + b_1$"
    assert formulas[3].startswith(r"$a^{(1)} = \sigma_1(x^{(1)})$")
    assert formulas[3].endswith("Staircase(step=0.5) / Constant()")
    parameter = Parameter.read("A0[0,1]")
    units = [Unit("a", 1, 0), Unit("a", 1, 1)]
    rows = picture.derivative_rows(lying, POINTS, parameter, units)
    value, true, reported = rows
    assert "true" in true.formula
    assert "reported" in reported.formula
    both = picture.derivative_rows(network("relu_directional"), POINTS, parameter, units)
    assert [row.formula.partition(", ")[2] for row in both[1:]] == [
        "true",
        "reported for g = 1",
        "reported for g = −1",
    ]
    scales = picture.limits([rows])
    assert true.scale == reported.scale != value.scale
    largest = torch.stack(list(reported.maps.values())).abs().numpy()
    assert scales[reported.scale] == pytest.approx(np.quantile(largest, picture.BRIGHT))
    figure = picture.draw(rows, 2.0, scales, "heading")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 6
    expected = [numbers for row in rows for numbers in row.maps.values()]
    for image, numbers in zip(images, expected, strict=True):
        assert np.array_equal(np.asarray(image.get_array()).ravel(), numbers.numpy())
        assert image.origin == "lower"
        assert list(image.get_extent()) == [-2, 2, -2, 2]
        low, high = image.get_clim()
        assert low == -high, "0 is white"
        assert image.axes is not None
        assert image.axes.get_aspect() == 1


def test_the_map_is_of_what_it_shows_at_its_place() -> None:
    """Right is more of the first input, up is more of the second."""
    made = make_network(["linear"], {"A0": "[[1, 0], [0, 1]]", "b0": "[0, 0]"}, depth=1)
    rows = picture.state_rows(made, plane(1.0, 8))
    figure = picture.draw(rows, 1.0, picture.limits([rows]), "")
    first, second = (np.asarray(a.images[0].get_array()) for a in figure.axes[:2])
    assert (np.diff(first, axis=1) > 0).all()
    assert (np.diff(first, axis=0) == 0).all()
    assert (np.diff(second, axis=0) > 0).all()


def test_many_units_are_cut_and_it_is_said() -> None:
    wide = make_network(["tanh"], {}, depth=1, width=11)
    rows = picture.state_rows(wide, POINTS)
    assert all(len(row.maps) == picture.MOST for row in rows)
    assert rows[0].formula.endswith("(units 0 to 7 of 11)")


def test_numbers_beyond_the_colours_are_marked() -> None:
    numbers = torch.linspace(-1, 3, 400).double()
    row = picture.Row("", {"a": numbers}, "a")
    assert picture.extension(row, 4.0) == "neither"
    assert picture.extension(row, 2.0) == "max"
    assert picture.extension(row, 0.5) == "both"
    assert picture.limits([[picture.Row("", {"a": torch.zeros(4)}, "a")]]) == {"a": 1.0}


SMALL = ("--resolution", "8", "--depth", "1", "--width", "1")


def test_the_command_draws_states_derivatives_and_animations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "net.yaml"
    config.write_text('A0: [[1, "{alpha}"], [0, 1]]\nb0: [0, 0]\nalpha: 0.5\n')
    every = {
        "state.png": ["--act", "cantor2", "--config", str(config)],
        "derivative.png": ["--act", "relu", "--parameter", "A0[0,1]", "--unit", "x0[0]"],
        "lines.png": ["--preset", "relu", "--along", "0", "90", "--flat"],
        "moving.gif": ["--animate", "A0[0,1]=-1:1", "--frames", "3"],
        "letter.gif": [
            *("--act", "SoftStaircase(softness={alpha}) / Exact()"),
            *("--animate", "alpha=0.1:1", "--frames", "2"),
        ],
    }
    for name, options in every.items():
        output = tmp_path / "pictures" / name
        assert command.main([*SMALL, *options, "-o", str(output)]) == 0, capsys.readouterr().err
        assert capsys.readouterr().out == f"{output}\n"
        with Image.open(output) as image:
            assert image.format == output.suffix[1:].upper()
            assert getattr(image, "n_frames", 1) == {"moving.gif": 4, "letter.gif": 2}.get(name, 1)


def test_an_animation_goes_there_and_back_in_the_same_colours(tmp_path: Path) -> None:
    options = command.read([*SMALL, "--animate", "b0[0]=-1:1", "--frames", "3", "-o", "a.gif"])
    pictures = list(command.frames(options, {"A0": "[[0, 0]]"}))
    shown = [figure.axes[0].images[0] for figure in pictures]
    assert [np.asarray(image.get_array())[0, 0] for image in shown] == [-1, 0, 1, 0]
    assert {image.get_clim() for image in shown} == {(-1.0, 1.0)}
    assert [figure.get_suptitle() for figure in pictures][:2] == ["b0[0] = -1.00", "b0[0] = 0.00"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--act", "cantr2"], "--act: unknown activation 'cantr2'; did you mean 'cantor2'?"),
        (["--act", "relu", "relu", "--depth", "3"], "--act: expected one activation, or 3, got 2"),
        (["--preset", "relo"], "--preset: unknown preset 'relo'; did you mean 'relu'?"),
        (["--preset", "zzz"], "there are: polynomial, relu"),
        (["--set", "Q0=[[1]]"], "unknown name 'Q0' (names are those such as alpha, beta"),
        (["--set", "alpa=1"], "unknown name 'alpa'; did you mean 'alpha'?"),
        (["--set", "A0"], "--set: expected NAME=VALUE, got 'A0'"),
        (["--set", "A0=[[1, 2, 3]]"], "A0 must be rows of 2 numbers each, as many as there are"),
        (
            ["--set", "A0=[[1, 2]]", "A1=[[1, 2]]"],
            "A1 must be rows of 1 numbers each, as many as",
        ),
        (["--set", "A0=[[1, 2]]", "b0=[1, 2]"], "b0 must be 1 numbers, one for each row of A0"),
        (["--set", "A0=one"], "A0: expected finite numbers such as [[1, 0.5], [0, 1]], got 'one'"),
        (["--set", "A0=[[1, .nan]]"], "A0: expected finite numbers"),
        (["--set", "A0=[[1, 2], [3]]"], "A0: expected finite numbers"),
        (["--set", "A0[0,5]=1"], "there is no A0[0,5]: A0 is 4 × 2, from 0 on"),
        (["--set", "A0[0]=1"], "a parameter is written A0[1,2] or b0[1], got 'A0[0]'"),
        (["--set", "b0[1]=x"], "b0[1] must be a number, got 'x'"),
        (["--set", "alpha=inf"], "alpha must be a finite number, got 'inf'"),
        (["--act", "perlin(resolution={gama})"], "{gama} has no value; did you mean 'gamma'?"),
        (["--parameter", "A7[0,0]"], "there is no A7[0,0]: the layers are 0 to 1"),
        (["--parameter", "C"], "a parameter is written A0[1,2] or b0[1], got 'C'"),
        (["--unit", "a1[9]"], "there is no a1[9]: layer 1 has units 0 to 3"),
        (["--unit", "y1[0]"], "a unit is written x0[1] or a0[1], got 'y1[0]'"),
        (["--animate", "alpha"], "-o: an animation is a .gif file, got x.png"),
        (["--animate", "b0[0]=1", "-o", "x.gif"], "--animate: expected NAME=FROM:TO"),
        (["--depth", "0"], "--depth must be at least 1, got 0"),
        (["--extent", "-1"], "--extent must be above 0, got -1"),
        (["--config", "nothing.yaml"], "--config nothing.yaml: "),
        (["-o", "x.jpg"], "-o: a picture without --animate is a .png file, got x.jpg"),
    ],
)
def test_bad_options_are_explained(
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(["-o", "x.png", *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_config_of_a_stranger_takes_no_time(tmp_path: Path) -> None:
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    for text in ("a0: &a0 [1]\n" + "\n".join(levels), "A0: " + "[" * 30_000, "A0: &a [*a]"):
        (tmp_path / "net.yaml").write_text(text)
        with pytest.raises(UsageError, match=r"it has an alias|nested deeper than 20 levels"):
            command.read_config(str(tmp_path / "net.yaml"))
    with pytest.raises(UsageError, match="expected finite numbers"):
        make_network(["relu"], {"A0": "[" * 5000 + "]" * 5000})


def test_a_config_must_be_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UsageError, match="expected lines such as A0"):
        command.read_config(str(tmp_path / "list.yaml"))


def test_presets_are_all_different_and_drawn(tmp_path: Path) -> None:
    assert len({preset.says for preset in PRESETS.values()}) == len(PRESETS)
    for name in PRESETS:
        command.read(["--preset", name, "-o", "x.png"])
    overridden = command.read(
        ["--preset", "sin", "--act", "tanh", "--set", "b0=[1, 1]", "-o", "x.png"]
    )
    assert overridden.act == ["tanh"]
    assert overridden.extent == 6
    assert overridden.set[-1] == "b0=[1, 1]"
    assert command.heading(overridden).startswith("sin of the values")


def test_the_colours_are_told_apart() -> None:
    colours = matplotlib.colormaps[picture.MAP](np.linspace(0, 1, 256))
    assert colours[127:129, :3].min() > 0.95, "0 is white"
    light = colours[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light[:126]) > -0.01).all()
    assert (np.diff(light[130:]) < 0.01).all()
