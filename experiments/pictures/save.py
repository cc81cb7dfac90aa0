"""Figures as files: small, and the same bytes for the same drawing."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

COLOURS = 256  # of a palette: a third of the bytes


def rendered(figure: Figure, dpi: int = 110) -> Image.Image:
    """The figure as an image with a palette."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return Image.open(file).convert("RGB").quantize(COLOURS)


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """The figure as a PNG file, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rendered(figure, dpi).save(path, format="PNG")


def save_animation(figures: Iterable[Figure], path: Path, seconds: float, dpi: int = 80) -> None:
    """The figures as a GIF file, one after another in that many seconds, for ever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [rendered(figure, dpi) for figure in figures]
    duration = round(1000 * seconds / (1 + len(others)))
    first.save(path, format="GIF", save_all=True, append_images=others, duration=duration, loop=0)
