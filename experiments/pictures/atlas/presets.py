"""Networks that show something: the options of each, by name."""

from __future__ import annotations

import shlex
from typing import NamedTuple


class Preset(NamedTuple):
    """What is to be seen, and the options that show it, as one would type them."""

    says: str
    typed: str

    @property
    def options(self) -> list[str]:
        return shlex.split(self.typed)


PRESETS = {
    "polynomial": Preset(
        "along every direction the network is a polynomial of one number, of the same degree",
        '--act "Polynomial((0, 1, 0, -0.3)) / Exact()" --along 0 30 75 120 --extent 1.5 '
        '--set "A0=[[1.4, 0.6], [-0.5, 1.2], [0.8, -1.1]]" "b0=[0.3, -0.4, 0.2]" '
        '"A1=[[0.9, -0.7, 0.6], [-0.4, 0.8, 0.7]]" "b1=[-0.2, 0.1]"',
    ),
    "relu": Preset(
        "hatched is where no input moves the unit: the weights alone decide what comes out",
        "--act relu --along 0 30 75 120 --flat "
        '--set "A0=[[1.4, 0.6], [-0.5, 1.2], [0.8, -1.1]]" "b0=[0.3, -0.4, 0.2]" '
        '"A1=[[0.9, -0.7, -0.9], [-0.4, -0.8, 0.7]]" "b1=[-0.5, 0.1]"',
    ),
    "sin": Preset(
        "sin of the values of the pixels: waves along brightness, nothing like a spectrum",
        '--act sin --depth 1 --extent 6 --set "A0=[[2, 1], [-1, 2]]" "b0=[0, 0]"',
    ),
    "sin_coordinates": Preset(
        "the places 0 and 1 of the pixels are fed in beside their values: it moves the phases",
        "--act sin --depth 1 --extent 6 --coordinates 0 1 "
        '--set "A0=[[2, 1, 1, 1.6], [-1, 2, 1, -0.8]]" "b0=[0, 0]"',
    ),
    "fourier": Preset(
        "the places t = 0 and 1 go through the oscillators cos(πkt), k = 0 and 1, and the values "
        "are projected on to these: sum and difference, the spectrum of two pixels",
        '--act linear --depth 1 --extent 6 --set "A0=[[1, 1], [1, -1]]" "b0=[0, 0]"',
    ),
}
