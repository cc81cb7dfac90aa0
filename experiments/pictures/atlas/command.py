"""The command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from experiments.common.command import exit_code, import_files
from experiments.common.errors import UsageError
from experiments.pictures.atlas.network import Parameter, Unit, plane
from experiments.pictures.atlas.picture import Lines, Row, derivative_rows, draw, limits, state_rows
from experiments.pictures.atlas.presets import PRESETS
from experiments.pictures.atlas.settings import assignments, make_network, read_config
from experiments.pictures.save import save, save_animation
from surrogate.core.messages import did_you_mean

PROGRAM = "python -m experiments.atlas"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    presets = "\n".join(f"  {name:<16} {preset.says}" for name, preset in PRESETS.items())
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="The state of a small network over the plane of its two inputs.",
        epilog=f"presets:\n{presets}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    network = made.add_argument_group("network")
    network.add_argument(
        "--act", nargs="+", default=["relu"], metavar="TEXT", help="one for all layers, or for each"
    )
    network.add_argument("--depth", type=int, default=2, help="layers (2)")
    network.add_argument("--width", type=int, default=4, help="units of a layer (4)")
    network.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    network.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help='numbers: "A0=[[1, 0.5], [0, 1]]" "b0=[0, 1]" "A0[0,1]=2"; a letter, alpha=0.5 (beta, '
        "gamma, delta), stands where other numbers and activations have {alpha}",
    )
    network.add_argument("--config", help="a YAML file with the same: A0: [[1, 0.5], [0, 1]]")
    network.add_argument(
        "--coordinates", nargs="+", type=float, default=[], help="constants that are fed in too"
    )
    network.add_argument("--preset", help=f"one of {', '.join(PRESETS)}: see below")
    network.add_argument(
        "--import", nargs="+", default=[], type=Path, dest="files", help="files that register pairs"
    )
    picture = made.add_argument_group("picture")
    picture.add_argument(
        "--parameter", help='its derivatives, true and reported, instead of states: "A0[0,1]"'
    )
    picture.add_argument("--unit", help="the unit, such as a1[0] (all of the last layer)")
    picture.add_argument(
        "--along", nargs="+", type=float, default=[], help="angles of lines to follow the unit on"
    )
    picture.add_argument(
        "--flat", action="store_true", help="hatch where no input moves a unit, going by the truth"
    )
    picture.add_argument("--animate", metavar="NAME=FROM:TO", help='"A0[0,1]=-2:2" or alpha=0:1')
    picture.add_argument("--frames", type=int, default=24, help="of the animation, and back (24)")
    picture.add_argument("--seconds", type=float, default=5.0, help="of the animation (5)")
    picture.add_argument("--extent", type=float, default=3.0, help="from −extent to extent (3)")
    picture.add_argument("--resolution", type=int, default=200, help="points along a side (200)")
    picture.add_argument("-o", "--output", type=Path, required=True, help="a .png, or a .gif")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return exit_code(lambda: command(arguments), after_a_signal="")


def command(arguments: Sequence[str] | None) -> int:
    options = read(arguments)
    import_files(options.files)
    given = read_config(options.config) if options.config else {}
    given |= assignments(options.set, "--set")
    if options.animate:
        save_animation(frames(options, given), options.output, options.seconds)
    else:
        (figure,) = figures(options, [given], heading(options))
        save(figure, options.output)
    print(options.output)
    return 0


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, those of a preset before those that are given."""
    options = parser().parse_args(arguments)
    if options.preset is not None:
        if options.preset not in PRESETS:
            hint = did_you_mean(options.preset, PRESETS) or f" (there are: {', '.join(PRESETS)})"
            raise UsageError(f"--preset: unknown preset {options.preset!r}{hint}")
        base = parser().parse_args([*PRESETS[options.preset].options, "-o", "atlas.png"])
        assigned = [*base.set, *options.set]
        options = parser().parse_args(arguments, base)
        options.set = assigned
    for name, least in (("depth", 1), ("width", 1), ("seed", 0), ("resolution", 2), ("frames", 2)):
        if getattr(options, name) < least:
            raise UsageError(f"--{name} must be at least {least}, got {getattr(options, name)}")
    for name in ("extent", "seconds"):
        if not 0 < getattr(options, name) < float("inf"):
            raise UsageError(f"--{name} must be above 0, got {getattr(options, name)}")
    wanted = ".gif" if options.animate else ".png"
    if options.output.suffix.lower() != wanted:
        what = "an animation" if options.animate else "a picture without --animate"
        raise UsageError(f"-o: {what} is a {wanted} file, got {options.output}")
    return options


def frames(options: argparse.Namespace, given: Mapping[str, str]) -> Iterator[Figure]:
    """The pictures of an animation: there, and back."""
    ((name, text),) = assignments([options.animate], "--animate").items()
    try:
        start, end = (float(number) for number in text.split(":"))
    except ValueError as error:
        raise UsageError(
            f'--animate: expected NAME=FROM:TO, such as "A0[0,1]=-2:2", got {options.animate!r}'
        ) from error
    values = np.linspace(start, end, options.frames).tolist()
    values += values[-2:0:-1]
    return figures(
        options,
        [{**given, name: repr(value)} for value in values],
        *(f"{name} = {value:z.2f}" for value in values),
    )


def figures(
    options: argparse.Namespace, networks: Sequence[Mapping[str, str]], *headings: str
) -> Iterator[Figure]:
    """A figure for each network, with the same colours in all."""
    points = plane(options.extent, options.resolution)
    pictures = [contents(options, given, points) for given in networks]
    scales = limits([rows for rows, _ in pictures])
    for (rows, lines), title in zip(pictures, headings, strict=True):
        yield draw(rows, options.extent, scales, title, lines)


def contents(
    options: argparse.Namespace, given: Mapping[str, str], points: Tensor
) -> tuple[list[Row], Lines | None]:
    """What a figure shows."""
    network = make_network(
        options.act, given, options.depth, options.width, options.seed, options.coordinates
    )
    last = len(network.layers) - 1
    units = [Unit("a", last, place) for place in range(len(network.layers[last].bias))]
    try:
        if options.unit:
            units = [Unit.read(options.unit)]
            network.require_unit(units[0])
        if options.parameter:
            parameter = Parameter.read(options.parameter)
            network.require_parameter(parameter)
            rows = derivative_rows(network, points, parameter, units)
        else:
            rows = state_rows(network, points, options.flat)
    except ValueError as error:
        raise UsageError(str(error)) from error
    lines = Lines(network, units[0], options.along, options.extent) if options.along else None
    return rows, lines


def heading(options: argparse.Namespace) -> str:
    """What is to be seen in a picture."""
    if options.preset:
        return PRESETS[options.preset].says
    if options.parameter:
        return f"the derivative for {options.parameter}, for each input $(x_0, x_1)$"
    return "the state of the network for each input $(x_0, x_1)$"
