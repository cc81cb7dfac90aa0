"""The soak: its short form, that it notices what it looks for, and the committed page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from experiments.training import checkpoints
from tests import soak
from tests.same import differences

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a short soak has kept its undisturbed run."""
    runs = tmp_path_factory.mktemp("soak")
    assert soak.main(["--variants", "stochastic", "--kills", "12", "--runs", str(runs)]) == 0
    return runs / "stochastic"


def test_three_kills_leave_the_same_bits(folder: Path):
    record = json.loads((folder / "record.json").read_text())
    assert len(record["kills"]) == 3
    assert record["passes"] >= 1
    assert record["differences"] == []
    assert record["rows"] == 6


def lose_a_row(run: Path) -> None:
    path = run / "metrics.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))


def double_a_row(run: Path) -> None:
    path = run / "layers.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1])


def double_a_point(run: Path) -> None:
    with SummaryWriter(str(run), filename_suffix=".more") as writer:
        writer.add_scalar("loss/train", 0.5, 6)


def change_a(*names: str | int) -> Callable[[Path], None]:
    """Changes the last bit of a tensor in the checkpoint."""

    def change(run: Path) -> None:
        path = run / "checkpoints" / "last.ckpt"
        content = inner = checkpoints.read(path)
        for name in names[:-1]:
            inner = inner[name]  # type: ignore[index]
        tensor = inner[names[-1]]  # type: ignore[index]
        tensor.view(-1)[-1] = torch.nextafter(tensor.view(-1)[-1], torch.tensor(9.0))
        checkpoints.write(path, content)

    return change


def change_a_figure(run: Path) -> None:
    path = run / "result.json"
    path.write_text(path.read_text().replace('"test_loss": 0.', '"test_loss": 1.'))


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lose_a_row, "metrics.csv: 5 instead of 6"),
        (double_a_row, "layers.csv: 106 instead of 105"),
        (double_a_point, "events/loss/train: 7 instead of 6"),
        (change_a_figure, "result/test_loss"),
        (
            change_a("optimizer_states", 0, "state", 0, "exp_avg"),
            "checkpoint/optimizer_states/0/state/0/exp_avg",
        ),
    ],
)
def test_the_comparison_notices(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], where: str
):
    whole = folder / "whole" / "autoencoder" / "rrelu" / "seed0"
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    assert differences(other, whole) == []
    damage(other)
    assert differences(other, whole) == [where]


def test_a_difference_is_on_the_page_and_in_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def found(variant: soak.Variant, *_: object) -> dict[str, object]:
        kills = [{"victim": "process", "while": "training", "kept": "epoch 1, step 2"}]
        record = {"name": variant.name, "command": "c", "kills": kills, "passes": 1}
        return {**record, "rows": 6, "points": 9, "differences": ["checkpoint/a", "checkpoint/b"]}

    monkeypatch.setattr(soak, "soak", found)
    (tmp_path / "docs").mkdir()
    assert soak.main(["--variants", "plain", "-o", str(tmp_path / "docs")]) == 1
    page = (tmp_path / "docs" / "reliability.md").read_text()
    assert "| plain | 1 | 1 | 0 | 0 | 1 | 6 | 9 | 2 differences: checkpoint/a |" in page
