"""Results that are published: a file for a study says what the directories of its runs say."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.analysis import audit, report
from experiments.analysis.probe.runs import read
from experiments.common.errors import RunError
from experiments.common.files import write_json
from experiments.pictures.explorer.losses import losses
from experiments.runs import published, records
from experiments.runs.records import Record, publish
from experiments.training.metrics import write_metrics
from surrogate.training.recording import QUANTITIES, Distribution, Recording, SiteRecord
from tests.experiments.conftest import command

SITE = {"mean": 0.5, "std": math.nan, "neurons": 4.0, "dead": 1.0, "gradient_out": math.inf}


def recording(seed: int) -> Recording:
    values = np.random.default_rng(seed).normal(size=500)
    found = {name: Distribution.of(values, kind) for name, kind in QUANTITIES.items()}
    made = Recording(["a"])
    made.add(1, {"a": SiteRecord("ReLU() / Exact()", 1, 4, 1, 500, 9, found)})
    return made


def make_run(folder: Path, name: str, loss: float | None, lr: float = 0.1) -> Path:
    """The directory of a run that was never made, with layers; without a curve if it has no loss.

    Args:
        folder: of the study.
        name: "relu/seed0".
        loss: its test loss.
        lr: its learning rate.
    """
    directory = folder / "autoencoder" / name
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "last.ckpt").write_text("large")
    act, seed = name.split("/seed")
    result = {
        "experiment": "autoencoder", "act": act, "seed": int(seed[0]), "epochs": 2,
        "status": "failed" if loss is None else "finished", "message": "à → ½",
        "test_loss": loss, "val_loss": loss, "config": {"optimizer": {"lr": lr}},
    }  # fmt: skip
    write_json(directory / "result.json", result)
    if loss is not None:
        rows = [
            {"epoch": epoch, "loss/train": 1 / 3, "loss/val": 1e-300, "loss/test": loss / epoch,
             "seconds": 0.1 + 0.2}
            for epoch in (1, 2)
        ]  # fmt: skip
        write_metrics(directory / "metrics.csv", rows)
        cells = [",".join(map(str, ("0", "decoder.0.1", *SITE.values())))]
        (directory / "layers.csv").write_text(
            "\n".join([",".join(("epoch", "site", *SITE)), *cells])
        )
    return directory


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of a study: three activations, one of them at two learning rates, one failed."""
    folder = tmp_path / "runs"
    for seed in range(2):
        directory = make_run(folder, f"relu/seed{seed}", 0.1 + seed / 7)
        recording(seed).save(directory / "probe.npz")
        make_run(folder, f"linear/seed{seed}", 0.2 + seed / 7)
        make_run(folder, f"linear/seed{seed}-0123abcd", 0.3, lr=0.5)
    make_run(folder, "gelu/seed0", None)
    return folder


def kept(found: Record) -> str:
    """All that a record says, but for where it is from; NaN is written as it is."""
    return repr((found.name, found.result, found.rows, found.layers, found.probe is not None))


def test_what_is_read_back_is_what_was_published(runs: Path, tmp_path: Path) -> None:
    before, problems = records.records(runs)
    assert not problems
    file = tmp_path / "new" / "study.jsonl"
    publish(before, file, layers=True, probe=True)
    after, problems = records.records(file)
    assert not problems
    assert [kept(each) for each in after] == [kept(each) for each in before]
    assert [each.name for each in after[:3]] == [
        f"autoencoder/{name}" for name in ("gelu/seed0", "linear/seed0", "linear/seed0-0123abcd")
    ]
    assert [(each.place, each.line) for each in after] == [(file, n) for n in range(1, 8)]
    for old, new in zip(before, after, strict=True):
        if old.probe is not None:
            expected, found = old.recording().to_arrays(), new.recording().to_arrays()
            assert expected.keys() == found.keys()
            assert all(np.array_equal(found[name], expected[name]) for name in found)
    assert {path.name for path in file.parent.iterdir()} == {"study.jsonl", "study.npz"}
    assert str(tmp_path) not in file.read_text()


def test_layers_and_probes_are_left_out_unless_they_are_asked_for(
    runs: Path, tmp_path: Path
) -> None:
    publish(records.records(runs)[0], tmp_path / "study.jsonl")
    assert not (tmp_path / "study.npz").exists()
    for each in records.records(tmp_path / "study.jsonl")[0]:
        assert (each.layers, each.probe) == (None, None)
        with pytest.raises(ValueError, match="has no recording of a probe"):
            each.recording()


def test_the_same_runs_give_the_same_bytes(runs: Path, tmp_path: Path) -> None:
    """Also those that are read from what was published."""
    found, _ = records.records(runs)
    publish(found[::-1], tmp_path / "a.jsonl", layers=True, probe=True)
    again, _ = records.records(tmp_path / "a.jsonl")
    publish(again, tmp_path / "b.jsonl", layers=True, probe=True)
    for suffix in ("jsonl", "npz"):
        first, second = (tmp_path / f"{name}.{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_each_line_is_plain_json_with_tables_of_columns(runs: Path, tmp_path: Path) -> None:
    publish(records.records(runs)[0], tmp_path / "study.jsonl", layers=True)
    lines = [json.loads(line) for line in (tmp_path / "study.jsonl").read_text().splitlines()]
    assert [*lines[1]] == ["run", "result", "curve", "layers"]
    assert lines[1]["curve"]["loss/test"] == [0.2, 0.1]
    assert (lines[1]["layers"]["std"], lines[1]["layers"]["gradient_out"]) == (["nan"], ["inf"])


def line(run: str = "a/seed0", **changes: Any) -> str:
    result = {"act": "relu", "seed": 0, "status": "finished", "test_loss": 1.0, "epochs": 1,
              "config": {}}  # fmt: skip
    columns = ("epoch", "loss/train", "loss/val", "loss/test", "seconds")
    curve = {name: [1.0] for name in columns}
    return json.dumps({"run": run, "result": result, "curve": curve} | changes)


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        ('{"run": "b", "result"', "Expecting ':' delimiter"),
        ("[" * 10_000, "nested deeper"),
        ("[1]", "it is no object with the name of a run"),
        ("null", "it is no object with the name of a run"),
        (line(run="b")[:-1].replace('"b"', "7") + "}", "it is no object with the name of a run"),
        ('{"run": "b", "other": 1}', "it has neither result nor audit"),
        (line(run="first"), "there is another line of first"),
        (line(run="b", result={"act": "relu"}), "it has no result of a run: it has no seed"),
        (line(run="b", curve=[1]), "a table must be an object of lists"),
        (line(run="b", curve={"epoch": [1]}), "a table has no column loss/train"),
        (line(run="b", curve=None), "a table must be an object of lists"),
        (line(run="b").replace("[1.0]", "[1.0, 2.0]", 1), "zip() argument"),
        (line(run="b").replace("[1.0]", '["nan"]', 1), "a number that is not finite"),
        (line(run="b").replace("[1.0]", '["x"]', 1), "could not convert string to float"),
        (line(run="b").replace("[1.0]", "[NaN]", 1), "not finite: NaN"),
        (line(run="b").replace("[1.0]", "[[1]]", 1), "must be a string or a real number"),
        (line(run="b", layers={"epoch": [1]}), "a table has no column site"),
        (line(run="b\x1b[2J"), "signs that are not printable"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named_and_the_others_are_read(
    tmp_path: Path, damaged: str, problem: str
) -> None:
    file = tmp_path / "study.jsonl"
    file.write_text("\n".join([line("first"), "", damaged, line("last")]))
    found, problems = records.records(file)
    assert [(each.name, each.line) for each in found] == [("first", 1), ("last", 4)]
    assert len(problems) == 1
    assert problems[0].startswith(f"{file}:3 is damaged: ")
    assert problem in problems[0]


def test_a_folder_may_have_files_of_studies_runs_and_audits(runs: Path) -> None:
    (runs / "a.jsonl").write_text(line("x") + "\n" + '{"run": "y", "audit": {}}\n')
    found, problems = records.records(runs)
    assert not problems
    assert [each.name for each in found][-2:] == ["autoencoder/relu/seed1", "x"]
    assert len(found) == 8


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, pipe, large = (tmp_path / f"{name}.jsonl" for name in ("missing", "pipe", "large"))
    os.mkfifo(pipe)
    large.write_text(line())
    monkeypatch.setattr(published, "LARGEST_TABLE", 100)
    for path, problem in {
        missing: "No such file",
        pipe: "it is not an ordinary file",
        large: "it has more than 100 bytes",
    }.items():
        found, problems = records.records(path)
        assert not found
        assert len(problems) == 1
        assert problems[0].startswith(f"{path} can't be read: ")
        assert problem in problems[0]
    other = tmp_path / "result.json"
    other.write_text("{}")
    assert records.records(other) == ([], [])


class _Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.system, ("touch canary",)


def test_arrays_of_a_stranger_are_numbers_within_bounds(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(records.records(runs)[0], tmp_path / "study.jsonl", probe=True)
    file = tmp_path / "study.npz"
    content = file.read_bytes()
    run = next(each for each in records.records(tmp_path / "study.jsonl")[0] if each.probe)

    def pickled() -> None:
        array = np.array([_Evil()], object)
        np.savez(file, allow_pickle=True, **{f"{run.name}/epochs": array})  # type: ignore[arg-type]

    def packed_otherwise() -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr(f"{run.name}/epochs.npy", b"0" * 100)

    for damage, problem in (
        (lambda: file.write_bytes(content[:100]), "not a zip file"),
        (lambda: file.write_bytes(content[:200] + b"0" * 50 + content[250:]), "no recording of"),
        (pickled, "allow_pickle=False"),
        (packed_otherwise, "compressed in an unknown way"),
        (lambda: np.savez(file, allow_pickle=False, x=np.zeros(3)), "not a recording of the"),
    ):
        damage()
        with pytest.raises(ValueError, match=problem):
            run.recording()
        _, problems = read([tmp_path / "study.jsonl"])
        assert any(problem in each for each in problems)
    file.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(records, "LARGEST_RECORDING", 1000)
        with pytest.raises(ValueError, match="bytes, more than 1000"):
            run.recording()
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ValueError, match="not an ordinary file"):
        run.recording()
    assert not (tmp_path / "canary").exists()


def test_runs_that_were_published_are_not_lost(runs: Path, tmp_path: Path) -> None:
    found, _ = records.records(runs)
    file = tmp_path / "study.jsonl"
    publish(found[:3], file)
    publish(found, file)
    before = file.read_bytes()
    with pytest.raises(RunError, match=r"among these, autoencoder/gelu/seed0 first: move it away"):
        publish(found[1:], file)
    assert file.read_bytes() == before


def test_one_file_is_of_one_study(runs: Path, tmp_path: Path) -> None:
    found, _ = records.records(runs)
    with pytest.raises(RunError, match="two runs are named autoencoder/gelu/seed0"):
        publish([*found, found[0]], tmp_path / "study.jsonl")
    for path in (tmp_path / "study", tmp_path / "study.json", tmp_path):
        with pytest.raises(RunError, match=r"published in one file, such as .*\.jsonl"):
            publish(found, path)


def test_reports_and_pictures_are_the_same_of_both(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.jsonl"
    assert report.main([str(runs), "--publish", str(file), "--layers", "--probe"]) == 0
    assert capsys.readouterr().out == f"7 runs in {file}\n"
    printed = []
    for place in (runs, file):
        assert report.main([str(place), "-o", str(tmp_path / "out")]) == 0
        printed.append(capsys.readouterr().out)
        assert (tmp_path / "out" / "table.csv").exists()
    assert printed[0] == printed[1]
    one, other = (records.records(place)[0] for place in (runs, file))
    assert losses(one) == losses(other)
    one, other = (read([place]) for place in (runs, file))
    assert [(run.act, run.seed, run.lr, run.number("std")) for run in one[0]] == [
        (run.act, run.seed, run.lr, run.number("std")) for run in other[0]
    ]
    assert report.main([str(file)]) == 0
    assert (tmp_path / "study" / "table.md").exists()


def test_the_option_of_before_names_the_one_of_now(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "--compact DIR is now --publish FILE.jsonl: one file for a study"
    with pytest.raises(SystemExit) as error:
        report.main([str(runs), "--compact", "kept"])
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    done = command(str(runs), "--compact", "kept", main=audit.main)
    assert (done.code, done.err) == (2, f"error: {message}\n")
    with pytest.raises(SystemExit):
        report.main([str(runs), "--layers"])
    assert "--layers and --probe say what --publish keeps" in capsys.readouterr().err
