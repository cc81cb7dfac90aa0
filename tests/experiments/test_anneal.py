"""--anneal: numbers of the pairs that change while training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.experiments.conftest import Command, Outcome, Smoke

ACT = "heaviside_blurred"
ANNEAL = ("--anneal", "derivative.width: linear(1.0, 0.5)")


@pytest.fixture(scope="module")
def annealed(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    runs = tmp_path_factory.mktemp("annealed")
    return Smoke(run(ACT, runs, *ANNEAL, "--anneal_every", "epoch"), runs)


def test_the_numbers_are_logged_by_epoch(annealed: Smoke):
    assert annealed.outcome.code == 0
    events = EventAccumulator(str(annealed.directory(ACT))).Reload()
    logged = events.Scalars("anneal/derivative.width")
    assert [(event.step, event.value) for event in logged] == [(1, 1.0), (2, 0.5)]
    baseline = EventAccumulator(str(annealed.directory("linear"))).Reload()
    assert "anneal/derivative.width" not in baseline.Tags()["scalars"]


def test_the_baseline_is_the_same_run_with_and_without(annealed: Smoke, smoke: Smoke):
    identities = [
        json.loads((each.directory("linear") / "identity.json").read_text())
        for each in (annealed, smoke)
    ]
    assert identities[0] == identities[1]
    line = next(line for line in annealed.outcome.out.splitlines() if line.startswith(ACT))
    assert " – " not in line  # it is compared with the baseline
    assert line.endswith("linear(1.0, 0.5) anneal.every=epoch")


def test_the_checkpoint_has_the_last_number(annealed: Smoke):
    from experiments.training.module import Training

    path = annealed.directory(ACT) / "checkpoints" / "last.ckpt"
    training = Training.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    assert str(training.network.encoder[0][1]) == "Heaviside() / Blurred(width=0.5)"  # type: ignore


def test_the_config_of_the_run_repeats_it(annealed: Smoke, command_line: Command):
    path = annealed.directory(ACT) / "config.yaml"
    config = yaml.safe_load(path.read_text())
    assert config["anneal"] == {"derivative.width": "linear(1.0, 0.5)"}
    assert config["anneal_every"] == "epoch"
    again = command_line("--config", str(path), "--runs", str(annealed.runs))
    assert again.code == 0
    assert f"{ACT}, seed 0: done before" in again.err


@pytest.mark.parametrize(
    ("act", "given", "message"),
    [
        ("cantor2", ANNEAL[1], "--anneal for cantor2: Anneal: no pair has a number"),
        (ACT, "derivative.widht: linear(1, 2)", "did you mean 'derivative.width'?"),
        (ACT, "derivative.width: linaer(1, 2)", "did you mean 'linear'?"),
        (ACT, "derivative.width: linear(1, -2)", "width must be a finite number at least 1e-30"),
        (ACT, "derivative.width", "anneal"),
    ],
)
def test_what_cannot_be_annealed(run: Command, tmp_path: Path, act: str, given: str, message: str):
    outcome: Outcome = run(act, tmp_path, "--anneal", given)
    assert outcome.code == 2
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []
