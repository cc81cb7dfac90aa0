"""--probe: what it keeps of a run, that the run does not notice, and what is made of it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import surrogate
from experiments.analysis.findings.questions import questions
from experiments.analysis.probe.command import main
from experiments.analysis.probe.runs import (
    Probed,
    decades,
    mean_and_deviation,
    narrowness,
    overlap,
    preferred,
    read,
)
from experiments.timing.probe import probe as suite
from experiments.timing.settings import Settings
from experiments.training.callbacks import Curves
from experiments.training.metrics import read_metrics
from surrogate.training.lightning import ProbeCallback
from surrogate.training.recording import QUANTITIES, Distribution, Recording, SiteRecord
from tests.experiments.conftest import Command

PROBE = ("--baseline", "none", "--probe", "true", "--probe_every", "2")
ACT = "rrelu"  # draws random numbers while it trains


@pytest.fixture(scope="module")
def probed(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run with a probe."""
    runs = tmp_path_factory.mktemp("probed")
    assert run(ACT, runs, *PROBE).code == 0
    return runs / "autoencoder" / ACT / "seed0"


def weights(directory: Path) -> dict[str, torch.Tensor]:
    path = directory / "checkpoints" / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def test_the_bits_are_the_same_with_and_without(run: Command, tmp_path: Path, probed: Path):
    assert run(ACT, tmp_path, *PROBE[:2]).code == 0
    without = tmp_path / "autoencoder" / ACT / "seed0"
    assert not (without / "probe.npz").exists()
    found, expected = weights(probed), weights(without)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    losses = [
        [{n: row[n] for n in row if n != "seconds"} for row in read_metrics(d / "metrics.csv")]
        for d in (probed, without)
    ]
    assert losses[0] == losses[1]
    layers = [(directory / "layers.csv").read_text() for directory in (probed, without)]
    assert layers[0] == layers[1]
    config = json.loads((without / "identity.json").read_text())["config"]
    assert "probe" not in config
    assert json.loads((probed / "identity.json").read_text())["config"] == {
        **config,
        "probe": {"every": 2},
    }


def test_every_site_and_epoch_is_recorded(probed: Path):
    recording = Recording.load(probed / "probe.npz")
    assert (len(recording.sites), recording.epochs) == (15, [1, 2])
    for site in recording.sites:
        for epoch in recording.epochs:
            record = recording.record(site, epoch)
            assert record.steps == 2  # of four batches of 32
            assert record.pair == str(surrogate.get(ACT))
            assert all(each.seen for each in record.distributions.values())
            assert record.distributions["derivative"].low >= 1 / 8 - 1e-6
    first = recording.record(recording.sites[0], 1)
    assert first.units == 2 * 4
    assert first.distributions["input"].seen == 2 * 2048


def test_tensorboard_has_the_histograms(probed: Path):
    events = EventAccumulator(str(probed), size_guidance={"histograms": 0}).Reload()
    recording = Recording.load(probed / "probe.npz")
    site = recording.sites[3]
    assert len(events.Tags()["histograms"]) == 15 * len(QUANTITIES)
    for quantity in QUANTITIES:
        logged = events.Histograms(f"probe/{quantity}/{site}")
        assert [event.step for event in logged] == [1, 2]
        found = recording.record(site, 2).distributions[quantity]
        value = logged[1].histogram_value
        assert (value.num, value.min, value.max) == (found.finite, found.low, found.high)
        assert sum(value.bucket) == found.finite
    scalars = events.Scalars(f"probe_saturated/{site}")
    assert [event.value for event in scalars] == pytest.approx(
        [recording.record(site, epoch).saturated_share for epoch in (1, 2)]
    )


@pytest.mark.parametrize(("hook", "kept"), [("on_train_batch_end", 2), ("on_train_epoch_end", 1)])
def test_a_resumed_run_has_the_same_file(
    run: Command,
    tmp_path: Path,
    probed: Path,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
    kept: int,
):
    """Cut off in the second epoch: in its third batch, and before anything of it is kept."""

    def interrupted(self: Curves, trainer: Trainer, module: LightningModule, *rest: object) -> None:
        if trainer.current_epoch == 1 and rest[-1:] in ((), (2,)):
            raise KeyboardInterrupt
        original(self, trainer, module, *rest)

    original = getattr(Curves, hook)
    with monkeypatch.context() as patch:
        patch.setattr(Curves, hook, interrupted)
        assert run(ACT, tmp_path, *PROBE).code == 130
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    assert not (directory / "result.json").exists()
    assert Recording.load(directory / "probe.npz").epochs == [1, 2]  # the second in part, or whole
    outcome = run(ACT, tmp_path, *PROBE)
    assert outcome.code == 0
    assert "resumed after epoch 1\n" in outcome.err
    assert (directory / "probe.npz").read_bytes() == (probed / "probe.npz").read_bytes()


def test_a_run_that_diverges_is_recorded_up_to_there(run: Command, tmp_path: Path):
    options = ("--optimizer.name", "sgd", "--lr", "1e30")
    assert run("lisht", tmp_path, *PROBE[:4], "--probe_every", "1", *options).code == 1
    [file] = tmp_path.rglob("probe.npz")
    recording = Recording.load(file)
    assert recording.epochs == [1]
    found = recording.distribution("input")
    assert found.nan + found.infinite + found.counts[0] + found.counts[-1] > 0


def test_numbers_that_move_are_in_the_pairs_text(run: Command, tmp_path: Path):
    anneal = ("--anneal", "derivative.width: linear(1.0, 0.5)", "--anneal_every", "epoch")
    assert run("heaviside_blurred", tmp_path, *PROBE, *anneal).code == 0
    [file] = tmp_path.rglob("probe.npz")
    recording = Recording.load(file)
    pairs = [recording.record(recording.sites[0], epoch).pair for epoch in (1, 2)]
    assert pairs == [f"Heaviside() / Blurred(width={width})" for width in (1.0, 0.5)]


def test_a_network_without_pairs_says_so(tmp_path: Path):
    trainer, module = Trainer(logger=False, accelerator="cpu"), LightningModule()
    callback = ProbeCallback(tmp_path / "probe.npz")
    with pytest.raises(ValueError, match="model must have a SurrogateActivation in it") as error:
        callback.setup(trainer, module, "fit")
    callback.on_exception(trainer, module, error.value)  # the Trainer's answer to it
    callback.teardown(trainer, module, "fit")
    assert not list(tmp_path.iterdir())


def test_the_config_of_the_run_repeats_it(probed: Path, command_line: Command):
    config = yaml.safe_load((probed / "config.yaml").read_text())
    assert (config["probe"], config["probe_every"]) == (True, 2)
    runs = probed.parents[2]
    again = command_line(
        "--config", str(probed / "config.yaml"), "--baseline", "none", "--runs", str(runs)
    )
    assert f"{ACT}, seed 0: done before" in again.err


def test_a_bad_number_of_steps(run: Command, tmp_path: Path):
    outcome = run(ACT, tmp_path, *PROBE[:4], "--probe_every", "0")
    assert outcome.code == 2
    assert "probe_every must be a whole number above 0, got 0" in outcome.err


# What is made of it.


def normal(mean: float = 0.0, std: float = 1.0, seed: int = 0, count: int = 20_000) -> Distribution:
    return Distribution.of(np.random.default_rng(seed).normal(mean, std, count))


def test_numbers_of_known_distributions():
    found = normal(2.0, 3.0)
    low, high = preferred(found)
    assert (low, high) == (pytest.approx(2 - 0.674 * 3, abs=0.3), pytest.approx(4.02, abs=0.3))
    assert narrowness(found) == pytest.approx(1, abs=0.02)
    assert narrowness(normal() + normal(std=0.1)) < 0.5  # most are close to 0, a few are not
    assert overlap(normal(), normal(seed=1)) > 0.97
    assert overlap(normal(), normal(100)) == pytest.approx(0, abs=1e-3)
    assert overlap(normal(), normal(1.0)) == pytest.approx(2 * 0.3085, abs=0.02)
    assert overlap(found, found) == 1
    assert math.isnan(narrowness(Distribution.of([1.0])))


def test_decades_are_of_both_signs_and_leave_out_zero():
    logs = np.random.default_rng(0).uniform(-8, -4, 20_000)
    values = 10**logs * np.where(np.arange(20_000) % 2, -1, 1)
    median, width = decades(Distribution.of([*values, *np.zeros(9999)], "gradient"))
    assert median == pytest.approx(-6, abs=0.05)
    assert width == pytest.approx(3.6, abs=0.05)
    assert all(math.isnan(each) for each in decades(Distribution.of([0.0], "gradient")))


def test_mean_and_deviation():
    assert mean_and_deviation([1.0, 3.0], ".2f") == "2.00 ± 1.41"
    assert mean_and_deviation([-1.0, math.nan], ".1f") == "−1.0"
    assert mean_and_deviation([math.nan], ".1f") == "–"


def made(folder: Path, act: str, seed: int, lr: float, scale: float = 1.0) -> None:
    """A run that was never made: normal inputs, which get wider by epoch and learning rate."""
    recording = Recording(["a", "b"])
    for epoch in (1, 2, 3):
        x = np.random.default_rng([seed, epoch]).normal(size=4000) * scale * epoch
        g = np.random.default_rng(seed).normal(size=4000) * 1e-4
        values = {
            "input": x, "output": np.maximum(x, 0), "gradient_out": g, "derivative": x > 0,
            "gradient_in": g * (x > 0),
        }  # fmt: skip
        found = {n: Distribution.of(values[n], kind) for n, kind in QUANTITIES.items()}
        record = SiteRecord("ReLU() / Exact()", 2, 8, 2, 4000, 1000, found)
        recording.add(epoch, {"a": record, "b": record})
    directory = folder / act / f"seed{seed}-{lr}"
    directory.mkdir(parents=True)
    recording.save(directory / "probe.npz")
    result = {"act": act, "seed": seed, "status": "finished", "test_loss": 1.0, "epochs": 3,
              "config": {"optimizer": {"lr": lr}}}  # fmt: skip
    (directory / "result.json").write_text(json.dumps(result))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two activations, two learning rates, two seeds; the higher rate has wider inputs."""
    folder = tmp_path_factory.mktemp("study")
    for act in ("relu", "gelu"):
        for seed in (0, 1):
            made(folder, act, seed, 0.01)
            made(folder, act, seed, 0.02, scale=4.0)
    return folder


def test_the_command_answers_and_draws(
    study: Path, probed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([str(study), str(study / "relu"), "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^(?:relu|gelu) +0\.0[12] +2 ", out, re.MULTILINE)) == 4
    [moved] = re.findall(r"^relu +(\d+)% ± .* (\d+)% ± .* (\d+)% ± ", out, re.MULTILINE)
    epochs, seeds, rates = map(int, moved)
    assert epochs < 70
    assert seeds > 85
    assert rates < 70
    names = ("where.png", "where.gif", "moves.png", "gradient.png")
    assert {path.name for path in tmp_path.iterdir()} == {*names}
    with Image.open(tmp_path / "where.gif") as image:
        assert image.n_frames == 3  # type: ignore[attr-defined]
    before = {name: (tmp_path / name).read_bytes() for name in names}
    assert main([str(study), "-o", str(tmp_path), "--act", "relu", "--figures", "moves"]) == 0
    assert "gelu" not in capsys.readouterr().out
    assert (tmp_path / "moves.png").read_bytes() != before["moves.png"]
    assert (tmp_path / "where.png").read_bytes() == before["where.png"]
    assert main([str(probed), "-o", str(tmp_path / "new")]) == 0  # a single run, of 15 sites


def test_runs_that_cannot_be_read(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert (
        f"no finished run with a probe in {tmp_path}: was it made with --probe?"
        in capsys.readouterr().err
    )
    arguments = [str(study), "-o", str(tmp_path / "out"), "--figures", "moves", "--act"]
    assert main([*arguments, "relu", "tanh"]) == 1
    assert "no run of tanh" in capsys.readouterr().err
    damaged = tmp_path / "damaged"
    made(damaged, "relu", 0, 0.1)
    (file,) = damaged.rglob("probe.npz")
    content = file.read_bytes()
    for problem, change in {
        "is not a probe's recording": lambda: file.write_bytes(content[:100]),
        "no epoch has been recorded": lambda: Recording(["a"]).save(file),
        "no finished run with a probe": lambda: (file.parent / "result.json").unlink(),
        "was it made with --probe?": file.unlink,
    }.items():
        change()
        runs, problems = read([damaged])
        assert not runs
        assert problem in problems[0]


def test_the_section_of_findings_says_what_the_recordings_say(study: Path, tmp_path: Path):
    text = questions(study)
    assert text.count("\n### ") == 3
    assert text.count("Answer: ") == 3
    assert re.search(r"between first and last epoch it differs with all \(least", text)
    assert re.search(r"between extreme learning rates it differs with all \(least", text)
    assert "half of x is in less than 80% of the width" in text
    assert (
        "deviation of x grows from the first to the last epoch, by a tenth or more, with all"
        in text
    )
    assert re.search(r"two seeds it differs with none \(least", text)
    assert re.search(r"\| `relu` \| 0\.02 \| (?:3\.9|4\.0)\d ± 0\.0\d \| 1[12]\.\d+ ± ", text)
    assert re.search(r"With all it is 0 at more than 25% of the points", text)
    for name in re.findall(r"\]\((images/[^)]+)\)", text):
        assert name.startswith("images/probe/")
    assert questions(tmp_path / "x").startswith("Not run yet: ")
    made(tmp_path / "x", "relu", 0, 0.1)
    (file,) = tmp_path.rglob("probe.npz")
    file.write_bytes(b"")
    with pytest.raises(ValueError, match="is not a probe's recording"):
        questions(tmp_path / "x")


def test_the_suite_of_the_benchmark():
    settings = Settings(("relu",), 2, True, torch.device("cpu"))
    sampled, mean = suite(settings)
    assert [row.name for row in sampled.rows] == ["without", "sampled"]
    assert [row.name for row in mean.rows] == ["without", "with the probe"]
    assert mean.limit == 1.03
    ratio = sampled.rows[1].ratio
    assert mean.rows[1].ratio == pytest.approx(1 + (ratio - 1) / 50, abs=0.02)


def test_the_runs_are_in_order_of_learning_rate_and_seed(study: Path):
    runs, problems = read([study])
    assert not problems
    assert all(isinstance(each, Probed) for each in runs)
    assert [(run.lr, run.seed) for run in runs[::2]] == [(0.01, 0), (0.01, 1), (0.02, 0), (0.02, 1)]
