"""The page: one HTML file with its style, its scripts and all it knows within."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from experiments.pictures.explorer.losses import losses
from experiments.pictures.explorer.parts import known
from experiments.pictures.explorer.samples import SCRIPT, samples
from experiments.runs.records import Record
from surrogate.diagnostics.plot import REPORTED, TRUE

FOLDER = Path(__file__).parent
SCRIPTS = (
    "numbers",
    "functions",
    "blurred",
    "derivatives",
    "text",
    "pair",
    "expression",
    "state",
    "plots",
    "controls",
    "curves",
    "distributions",
    "ball",
    "atlas",
    "losses",
    "main",
)


def page(runs: Sequence[Record] = ()) -> str:
    """The page's HTML, with the loss curves of the runs."""
    style = Template(_read(FOLDER / "page.css")).substitute(true=TRUE, reported=REPORTED)
    parts = "\n".join(_read(SCRIPT / f"{name}.js") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{parts}}})();\n'
    return Template(_read(FOLDER / "page.html")).substitute(
        style=style,
        script=script,
        style_digest=_digest(style),
        script_digest=_digest(script),
        data=_data(known() | {"samples": samples(), "runs": losses(runs)}),
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What the page's policy knows its own style and script by: it takes no others."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(content: Any) -> str:
    """JSON that can't end the element that it stands in."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
