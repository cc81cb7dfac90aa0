"""The table of single runs: a line for each, and its ratio to the baseline."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

from experiments.common.files import flat


def rank(result: Mapping[str, Any]) -> tuple[float, float]:
    """Its place in the table: by accuracy, where that is measured, and by loss."""
    accuracy, loss = result.get("test_accuracy"), result["test_loss"]
    return -(accuracy or 0.0), math.inf if loss is None else loss


def table(results: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """The results as aligned text; the ratio is to the baseline of the same seed and settings.

    Where settings differ between the runs, a column says those that do. The baseline is never
    annealed, so that setting is no difference from it.
    """
    settings = [flat({"seed": result["seed"], **result["config"]}) for result in results]
    differing = [
        name
        for name in dict.fromkeys(name for each in settings for name in each)
        if len({str(each.get(name)) for each in settings}) > 1
    ]
    comparable = [
        str({name: value for name, value in each.items() if not name.startswith("anneal.")})
        for each in settings
    ]
    reference = {
        each: result["test_loss"]
        for result, each in zip(results, comparable, strict=True)
        if result["act"] == baseline
    }
    ratio = f"/ {baseline}" if baseline != "none" else "/ –"
    accuracy = ["accuracy"] * any("test_accuracy" in result for result in results)
    header = ["activation", *accuracy, "test loss", ratio, "best epoch", "epochs", "images/s"]
    lines = [[*header, "status"] + ["settings"] * bool(differing)]
    for result, each, key in zip(results, settings, comparable, strict=True):
        loss, base = result["test_loss"], reference.get(key)
        numbers = [
            *(formatted(result.get("test_accuracy"), ".2%") for _ in accuracy),
            formatted(loss, ".5f"),
            formatted(loss / base if loss is not None and base else None, ".3f"),
            formatted(result.get("best_epoch"), "d"),
            formatted(result["epochs"], "d"),
            formatted(result.get("images_per_second"), ",.0f"),
        ]
        line = [result["act"], *numbers, result["status"]]
        if differing:
            line.append(" ".join(f"{name}={each[name]}" for name in differing if name in each))
        lines.append(line)
    return aligned(lines, right=range(1, len(header)))


def aligned(lines: Sequence[Sequence[str]], right: Container[int]) -> str:
    """Lines of cells as columns of text; those of numbers are aligned at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def formatted(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
