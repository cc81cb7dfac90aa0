"""Weights that are kept, the command that audits them, and what the findings make of it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch
import yaml

import surrogate
from experiments.analysis import audit
from experiments.analysis.audit import Audited, audited
from experiments.analysis.audit.command import batches_of
from experiments.analysis.audit.files import audits
from experiments.analysis.audit.tables import by_act, fall, lines, mean_and_deviation, over_seeds
from experiments.analysis.findings import audits as section
from experiments.common.errors import RunError
from experiments.tasks import experiment
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import CONFIGS, Command, Outcome, Smoke, command

OPTIONS = ("--pairs", "3", "--layer_pairs", "0", "--batch_size", "8", "--batches", "3")
ROOT = CONFIGS.parent


@pytest.fixture(scope="module")
def runs(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cantor2 of two epochs, with the weights of each."""
    folder = tmp_path_factory.mktemp("audit") / "runs"
    outcome = run("cantor2", folder, "--baseline", "none", "--keep_checkpoints", "true")
    assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture(scope="module")
def outcome(runs: Path) -> Outcome:
    return command(str(runs), "-o", str(runs), *OPTIONS, main=audit.main)


def found_in(runs: Path) -> Audited:
    found = audited(runs / "autoencoder" / "cantor2" / "seed0")
    assert found is not None
    return found


def test_kept_weights_change_nothing_else(runs: Path, smoke: Smoke) -> None:
    kept, plain = runs / "autoencoder" / "cantor2" / "seed0", smoke.directory("cantor2")
    names = {path.name for path in (kept / "checkpoints").iterdir()}
    assert names == {"epoch0.ckpt", "epoch1.ckpt", "epoch2.ckpt", "last.ckpt"}
    weights, same = (
        torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for path in (kept, plain)
    )
    assert all(torch.equal(weights[name], same[name]) for name in same)
    state = torch.load(kept / "checkpoints" / "epoch2.ckpt", weights_only=True)
    assert "optimizer_states" not in state
    assert all(torch.equal(state["state_dict"][name], weights[name]) for name in weights)
    start = torch.load(kept / "checkpoints" / "epoch0.ckpt", weights_only=True)["state_dict"]
    fresh = experiment.named("autoencoder").network(
        {"act": "cantor2", "seed": 0, "channels": 4, "latent": 4}
    )
    assert all(torch.equal(start[f"network.{n}"], each) for n, each in fresh.state_dict().items())
    for ours, theirs in zip(*(read_metrics(each / "metrics.csv") for each in (kept, plain)),
                            strict=True):  # fmt: skip
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_the_option_is_part_of_a_run_only_if_it_is_given(runs: Path, smoke: Smoke) -> None:
    identities = [
        json.loads((path / "identity.json").read_text())
        for path in (runs / "autoencoder" / "cantor2" / "seed0", smoke.directory("cantor2"))
    ]
    assert identities[0]["config"].pop("keep_checkpoints") is True
    assert identities[0] == identities[1]
    config = yaml.safe_load((runs / "autoencoder" / "cantor2" / "seed0/config.yaml").read_text())
    assert config["keep_checkpoints"] is True


def test_the_command_audits_each_epoch(runs: Path, outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.err
    table = outcome.out.splitlines()
    assert table[0].split()[:4] == ["activation", "seeds", "epoch", "cosine,"]
    assert [line.split()[:3] for line in table[1:4]] == [["cantor2", "1", str(n)] for n in range(3)]
    assert table[4:] == [str(runs / "audit.png"), str(runs / "audit_layers.png")]
    for path in table[4:]:
        assert Path(path).read_bytes().startswith(b"\x89PNG")
    found = found_in(runs)
    assert found.epochs == [0, 1, 2]
    assert found.record["text"] == "Cantor() / Constant()"
    assert found.record["command"].startswith("python -m experiments.audit ")
    assert found.record["versions"]["torch"] == torch.__version__
    assert found.record["run"]["status"] == "finished"
    assert {row["kind"] for row in found.rows} == {"total", "layer", "input", "output"}
    assert len(found.rows) == 3 * (1 + 31 + 30)


def test_what_is_kept_is_what_the_library_says(runs: Path, outcome: Outcome) -> None:
    from experiments.training.module import Training

    directory = runs / "autoencoder" / "cantor2" / "seed0"
    training = Training.load_from_checkpoint(
        directory / "checkpoints" / "epoch1.ckpt", map_location="cpu", weights_only=True
    )
    config = yaml.safe_load((directory / "config.yaml").read_text())
    images = experiment.named("autoencoder").images(config["data"])
    first, *others = batches_of(images, 8, 3, 0)
    expected = surrogate.audit(
        training.network.train(),
        lambda network, *batch: network.loss(*batch),
        first,
        batches=others,
        pairs=3,
        layer_pairs=0,
    )
    found = found_in(runs)
    for name in ("reported", "true", "cosine", "ratio", "signs", "signal_to_noise"):
        value = getattr(expected.total, name)
        assert found.column(name, 1)[0] == pytest.approx(value, rel=1e-3)
    kept = [found.column(name, 1)[0] for name in ("kept", "kept_error")]
    assert kept == pytest.approx([expected.total.kept.value, expected.total.kept.error], rel=1e-3)
    assert found.of_epoch("bound", 1)[0] == pytest.approx(expected.bound.value, rel=1e-3)
    step = next(step for step in expected.steps if step.length == 0.1)
    assert fall(0.1)(found, 1) == pytest.approx(step.fell / step.promised, rel=1e-2)
    assert found.column("ratio", 1, "layer")[0] == math.inf
    assert math.isnan(found.column("cosine", 1, "layer")[0])


def test_batches_are_of_different_validation_images() -> None:
    images = experiment.named("autoencoder").images({"batch_size": 4, "limit": 20})
    batches = [batch for batch, _ in batches_of(images, 6, 9, seed=1)]
    assert [len(batch) for batch in batches] == [6, 6, 6]
    rows = {row.numpy().tobytes() for batch in batches for row in batch}
    everything = {images.val[index][0].numpy().tobytes() for index in range(20)}
    assert len(rows) == 18
    assert rows < everything
    assert [len(batch) for batch, _ in batches_of(images, 99, 2, seed=1)] == [20]


def test_what_was_audited_is_not_audited_again(
    runs: Path, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where there are no weights, in a published file; other settings are another audit."""
    made: list[Path] = []
    monkeypatch.setattr(
        "experiments.analysis.audit.command.audit_weights", lambda *a: made.append(a[0])
    )
    kept, figures = tmp_path / "new" / "audits.jsonl", tmp_path / "figures"
    options = ("-o", str(figures), *OPTIONS)
    again = command(str(runs), *options, "--publish", str(kept), main=audit.main)
    assert again.code == 0
    assert not made
    assert again.out.splitlines()[:4] == outcome.out.splitlines()[:4]
    for place in (kept, kept.parent):
        third = command(str(place), *options, "--publish", str(kept), main=audit.main)
        assert (third.code, third.out) == (0, again.out)
    ((published,), problems), before = audits(kept), found_in(runs)
    assert not problems
    assert published.name == "autoencoder/cantor2/seed0"
    assert published.record == before.record
    assert repr(published.rows) == repr(before.rows)  # NaN among them
    with pytest.raises(AttributeError):  # it made nothing that could be saved
        command(str(runs), *options, "--sigma", "0.1", main=audit.main)
    assert [path.name for path in made] == ["epoch0.ckpt", "epoch1.ckpt", "epoch2.ckpt"]


def test_a_run_that_kept_the_last_weights_alone(smoke: Smoke, tmp_path: Path) -> None:
    directory = smoke.directory("linear")
    done = command(str(directory), "-o", str(tmp_path), *OPTIONS, main=audit.main)
    assert done.code == 0, done.err
    assert [line.split()[:6] for line in done.out.splitlines()[1:2]] == [
        ["linear", "1", "2", "1", "1", "1"]
    ]
    for name in ("audit.csv", "audit.json"):
        (directory / name).unlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "error: no run in nowhere"),
        (("nowhere", "--sigma", "0"), "error: --sigma must be a finite number above 0, got 0.0"),
        (("nowhere", "--pairs", "2"), "error: --pairs must be 0 or at least 3, got 2"),
        (("nowhere", "--batches", "0"), "error: --batches must be above 0, got 0"),
        (("nowhere", "--batch_size", "1"), "error: --batch_size must be above 1, got 1"),
        (("nowhere", "--import", "nothing.py"), "error: --import nothing.py: FileNotFoundError"),
    ],
)
def test_errors_of_the_command(arguments: tuple[str, ...], message: str) -> None:
    done = command(*arguments, main=audit.main)
    assert done.code == 2
    assert done.err.startswith(message)


def test_a_run_without_weights_or_with_a_damaged_audit(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("{}")
    done = command(str(tmp_path), main=audit.main)
    assert done.code == 2
    assert done.err.endswith("has no weights to audit: no epoch of it has ended\n")
    record = '{"act": "relu", "seed": 0, "epochs": [{"epoch": 0}]}'
    for table, text, problem in (
        ("0,total,many", record, "could not convert string to float: 'many'"),
        ("0,total", record, "is shorter"),
        ("1,total,1", record, "not one total of epoch 0"),
        ("0,total,1", "[]", "TypeError"),
        ("0,total,1", record.replace("0", '"0"', 1), "seed an integer"),
    ):
        (tmp_path / "audit.json").write_text(text)
        (tmp_path / "audit.csv").write_text(f"epoch,kind,cosine\n{table}\n")
        with pytest.raises(RunError, match=rf"^{re.escape(str(tmp_path))}.* is damaged: ") as error:
            audited(tmp_path)
        assert problem in str(error.value)
        done = command(str(tmp_path), main=audit.main)
        assert (done.code, done.err) == (2, f"error: {error.value}\n")


def test_published_audits_that_are_damaged(tmp_path: Path) -> None:
    file = tmp_path / "audits.jsonl"
    file.write_text('{"run": "a", "audit": {"act": "relu", "seed": 0, "epochs": []}}\n')
    done = command(str(file), main=audit.main)
    assert done.code == 2
    assert done.err == f"error: {file}:1 is damaged: a table must be an object of lists\n"
    with pytest.raises(ValueError, match=r"audits\.jsonl:1 is damaged"):
        section.section(file)
    file.write_text("")
    assert command(str(file), main=audit.main).err == f"error: no audit in {file}\n"
    assert "Not run yet" in section.section(tmp_path / "nowhere")


def made_up(act: str, seed: int, loss: float, kept: float, fell: float, cosine: float) -> Audited:
    """Audits that were never made, of one epoch."""
    numbers = {"reported": 2.0, "true": 4.0, "cosine": cosine, "signs": 0.5, "slope": 2 * kept}
    row = {"epoch": 1.0, "kind": "total", "signal_to_noise": 1.0, **numbers}
    layers = [{"epoch": 1.0, "kind": "layer", "true": true} for true in (0.0, cosine)]
    record = {
        "act": act,
        "seed": seed,
        "run": {"test_loss": loss},
        "epochs": [{"epoch": 1, "bound": [0.5, 0.1], "steps": [[0.1, 10.0, fell, None]]}],
    }
    return Audited(Path(act), record, [row, *layers])


def test_numbers_over_seeds() -> None:
    found = [made_up("gelu", seed, 1.0, 0.25 * seed, 5.0, 0.5) for seed in (1, 3)]
    (line,) = lines(found)[1:]
    assert line == [
        *("gelu", "2", "1", "0.5 ± 0", "0.5 ± 0", "0.5 ± 0"),
        *("0.5 ± 0", "0.5 ± 0.4", "1 ± 0", "0.5 ± 0"),
    ]
    assert mean_and_deviation([]) == "–"
    assert mean_and_deviation([1.0, math.inf]) == "∞"
    assert mean_and_deviation([2.0]) == "2"
    assert over_seeds(found, fall(0.3), 1) == []
    assert over_seeds(found, fall(0.1), 2) == []


def test_words_follow_the_numbers() -> None:
    found = [
        made_up("lie", 0, 2.0, -0.5, -1.0, -0.25),
        made_up("zero", 0, 3.0, 0.5, 2.0, math.nan),
    ]
    assert list(section.ranked(found[::-1])) == ["lie", "zero"]
    texts = [section.sentence(act, own) for act, own in by_act(found).items()]
    assert texts[0] == (
        "`lie`: it has the cosine −0.25 with the true gradient and is 0.5 times as long as that, "
        "which is 0 in 1 of 2 layers; the smoothed loss does not fall along it; a step of 0.1 "
        "raises the loss."
    )
    assert texts[1] == (
        "`zero`: it reports another than the true gradient, which is 0 in 1 of 2 layers; the "
        "smoothed loss falls 50 % as steeply as it says; a step of 0.1 takes 20 % of what it "
        "promises off the loss."
    )


def test_the_section_is_of_the_study_of_its_file() -> None:
    content = yaml.safe_load((ROOT / "configs" / "studies" / "audit.yaml").read_text())
    assert content["seed"] == "0-2"
    found, problems = audits(ROOT / "docs" / "results" / "audit.jsonl")
    assert not problems
    acts = {*content["act"], content["baseline"]}
    assert {each.act for each in found} == acts
    assert {each.seed for each in found} == {0, 1, 2}
    for each in found:
        assert each.epochs == [*range(content["trainer"]["max_epochs"] + 1)]
        assert each.record["config"]["model"] == content["model"]
    text = section.section(ROOT / "docs" / "results" / "audit.jsonl")
    assert text.count("\n- `") == len(acts)
    makefile = (ROOT / "Makefile").read_text().replace("\\\n\t\t", "")
    assert section.AUDIT.removeprefix("python") in makefile
    assert section.STUDY.removeprefix("python") in makefile
