"""The classifier's command, at its smoke config."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from experiments import classifier
from experiments.settings.parser import CONFIGS
from experiments.tasks.classifier import EXPERIMENT, Classification
from experiments.tasks.data import FashionMNIST
from experiments.training.callbacks import Curves, LastCheckpoint
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import Command, Outcome, command
from tests.experiments.test_resume import do_at, interrupt

COLUMNS = [
    f"{metric}/{part}" for metric in ("loss", "accuracy") for part in ("train", "val", "test")
]
BETTER_EACH_TIME = ("--lr", "0.1")
NO_BETTER = ("--lr", "1e-12", "--stopping.patience", "2", "--trainer.max_epochs", "9")


def directory(runs: Path, act: str = "relu") -> Path:
    return runs / "classifier" / act / "seed0"


def result(runs: Path, act: str = "relu") -> dict[str, Any]:
    return json.loads((directory(runs, act) / "result.json").read_text())


def rows(runs: Path, act: str = "relu") -> list[dict[str, float]]:
    found = read_metrics(directory(runs, act) / "metrics.csv")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found]


@pytest.fixture(scope="module")
def smoke(classify: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    runs = tmp_path_factory.mktemp("runs")
    return classify("relu|cantor2", runs, *BETTER_EACH_TIME), runs


def test_the_table_has_the_accuracy(smoke: tuple[Outcome, Path]):
    outcome, runs = smoke
    assert outcome.code == 0
    header, *lines = (re.split(r"\s{2,}", line) for line in outcome.out.splitlines()[:3])
    assert header[:3] == ["activation", "accuracy", "test loss"]
    for act, (name, accuracy, loss, *_) in zip(("relu", "cantor2"), lines, strict=True):
        assert name == act
        assert accuracy == f"{100 * result(runs, act)['test_accuracy']:.2f}%"
        assert loss == f"{result(runs, act)['test_loss']:.5f}"


def test_losses_and_accuracies_are_recorded(smoke: tuple[Outcome, Path]):
    runs = smoke[1]
    assert [list(row) for row in rows(runs)] == [["epoch", *COLUMNS]] * 2
    last = rows(runs)[-1]
    record = result(runs)
    for part in ("test", "val"):
        assert record[f"{part}_loss"] == last[f"loss/{part}"]
        assert record[f"{part}_accuracy"] == last[f"accuracy/{part}"]
    assert record["best_epoch"] == max(rows(runs), key=lambda row: row["accuracy/val"])["epoch"]


def accuracy_of(checkpoint: Path) -> float:
    from experiments.training.module import Training

    training = Training.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    images, labels = FashionMNIST(limit=128).test.__getitems__(list(range(128)))
    with torch.no_grad():
        outputs = training.network.eval()(images)
    return (
        sum(int(output.argmax()) == label for output, label in zip(outputs, labels, strict=True))
        / 128
    )


def test_the_checkpoint_has_the_reported_accuracy(smoke: tuple[Outcome, Path]):
    for act in ("relu", "cantor2"):
        checkpoint = directory(smoke[1], act) / "checkpoints" / "last.ckpt"
        assert accuracy_of(checkpoint) == pytest.approx(result(smoke[1], act)["test_accuracy"])


def test_a_report_reads_it(smoke: tuple[Outcome, Path], capsys: pytest.CaptureFixture[str]):
    from experiments.analysis import report

    assert report.main([str(smoke[1] / "classifier")]) == 0
    best = max(("relu", "cantor2"), key=lambda act: result(smoke[1], act)["test_accuracy"])
    assert capsys.readouterr().out.splitlines()[1].startswith(best)
    assert "test loss (cross-entropy)" in (smoke[1] / "classifier" / "loss.svg").read_text()


@pytest.mark.parametrize("model", ["mlp", "convnet"])
@pytest.mark.parametrize("optimizer", [("adam",), ("sgd", "--optimizer.momentum", "0.9")])
def test_each_small_network_and_optimiser(
    classify: Command, tmp_path: Path, model: str, optimizer: tuple[str, ...]
):
    settings = tmp_path / "settings.yaml"
    settings.write_text("optimizer:\n  momentum: null\n")
    options = ("--model.name", model, "--config", str(settings), "--optimizer.name", *optimizer)
    outcome = classify("relu", tmp_path, *options, "--lr", "0.001")
    assert outcome.code == 0
    assert rows(tmp_path)[1]["loss/train"] < rows(tmp_path)[0]["loss/train"]


def test_the_cross_entropy_is_smoothed_in_training_only():
    network = torch.nn.Linear(3, 4)
    images, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 3])
    logs = network(images).log_softmax(1).tolist()
    plain = [-row[label] for row, label in zip(logs, labels, strict=True)]
    smooth = [0.9 * each - 0.1 * sum(row) / len(row) for each, row in zip(plain, logs, strict=True)]
    measures = Classification(label_smoothing=0.1)
    assert measures(network.train(), images, labels)["loss"].item() == pytest.approx(
        sum(smooth) / 5
    )
    measured = measures(network.eval(), images, labels)
    assert measured["loss"].item() == pytest.approx(sum(plain) / 5)
    right = sum(max(row) == row[label] for row, label in zip(logs, labels, strict=True))
    assert measured["accuracy"].item() == pytest.approx(right / 5)


def test_it_stops_when_out_of_patience_and_reports_the_best_epoch(
    classify: Command, tmp_path: Path
):
    outcome = classify("relu", tmp_path, *NO_BETTER)
    assert outcome.code == 0
    found = rows(tmp_path)
    assert len(found) == 3  # the first is the best, then two that are no better
    record = result(tmp_path)
    assert (record["status"], record["best_epoch"], record["epochs"]) == ("finished", 1, 3)
    assert record["test_accuracy"] == found[0]["accuracy/test"]
    # It was cut off before its result was written: it does not train on.
    (directory(tmp_path) / "result.json").unlink()
    again = classify("relu", tmp_path, *NO_BETTER)
    assert again.code == 0
    assert "epoch 4/" not in again.err
    assert rows(tmp_path) == found
    assert result(tmp_path)["test_accuracy"] == record["test_accuracy"]


def test_the_best_epochs_weights_are_kept(classify: Command, tmp_path: Path):
    """A learning rate so high that things get worse."""
    options = ("--lr", "0.4", "--stopping.patience", "3", "--trainer.max_epochs", "8")
    assert classify("relu", tmp_path, *options).code == 0
    record, found = result(tmp_path), rows(tmp_path)
    best = int(record["best_epoch"])
    assert 1 < best < len(found)
    assert found[best - 1]["accuracy/val"] == max(row["accuracy/val"] for row in found)
    assert record["test_accuracy"] == found[best - 1]["accuracy/test"]
    assert record["test_loss"] == found[best - 1]["loss/test"]
    checkpoints = directory(tmp_path) / "checkpoints"
    assert accuracy_of(checkpoints / "best.ckpt") == pytest.approx(record["test_accuracy"])
    assert accuracy_of(checkpoints / "last.ckpt") == pytest.approx(found[-1]["accuracy/test"])


ALL_STATES = (
    *("--optimizer.name", "adamw", "--lr", "0.01", "--schedule.name", "one_cycle"),
    *("--stopping.patience", "3", "--loss.label_smoothing", "0.1", "--trainer.max_epochs", "5"),
)


@pytest.mark.parametrize(
    "hook", [(Curves, "on_train_batch_end"), (LastCheckpoint, "on_train_epoch_end")]
)
def test_a_run_that_was_cut_off_ends_with_the_same_bits(
    classify: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: tuple[type, str]
):
    settings = tmp_path / "settings.yaml"
    settings.write_text("optimizer:\n  momentum: null\n")
    options = ("--config", str(settings), *ALL_STATES)
    assert classify("rrelu", tmp_path / "whole", *options).code == 0
    with monkeypatch.context() as patch:
        do_at(patch, interrupt, hook, 3)
        assert classify("rrelu", tmp_path / "cut", *options).code == 130
    assert classify("rrelu", tmp_path / "cut", *options).code == 0
    assert rows(tmp_path / "cut", "rrelu") == rows(tmp_path / "whole", "rrelu")
    for name in ("last.ckpt", "best.ckpt"):
        found, expected = (
            torch.load(
                directory(tmp_path / runs, "rrelu") / "checkpoints" / name, weights_only=True
            )
            for runs in ("cut", "whole")
        )
        assert found["epoch"] == expected["epoch"]
        assert found["lr_schedulers"] == expected["lr_schedulers"]
        for key, value in expected["state_dict"].items():
            assert torch.equal(found["state_dict"][key], value)
    layers = [
        (directory(tmp_path / r, "rrelu") / "layers.csv").read_text() for r in ("cut", "whole")
    ]
    assert layers[0] == layers[1]


def test_it_compiles(classify: Command, tmp_path: Path):
    options = ("--compile", "true", "--model.hidden", "8")
    assert classify("relu", tmp_path, *options).code == 0
    assert len(rows(tmp_path)) == 2


@pytest.mark.parametrize(
    "config", sorted((CONFIGS / "classifier").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_config_is_one(config: Path):
    model = "xresnet18" if config.stem == "xresnet" else "mlp"
    options = ("--model.name", model, "--config", str(config), "--print_config")
    outcome = command(*options, main=classifier.main)
    assert outcome.code == 0, outcome.err
    settings = yaml.safe_load(outcome.out)
    for group, values in yaml.safe_load(config.read_text()).items():
        assert {name: settings[group][name] for name in values} == values


@pytest.mark.parametrize("model", EXPERIMENT.networks)
def test_a_network_brings_its_own_settings(model: str):
    printed = command("--model.name", model, "--print_config", main=classifier.main).out
    settings = yaml.safe_load(printed)
    config = EXPERIMENT.offered(model).config
    assert config is not None
    for group, values in yaml.safe_load((CONFIGS / config).read_text()).items():
        assert {name: settings[group][name] for name in values} == values
    assert settings["model"]["name"] == model


def test_lists_are_given_as_words_or_as_yaml():
    for hidden, expected in (
        (("7",), [7]),
        (("7", "5"), [7, 5]),
        (("[7, 5]",), [7, 5]),
    ):
        printed = command("--model.hidden", *hidden, "--print_config", main=classifier.main).out
        assert yaml.safe_load(printed)["model"]["hidden"] == expected
    same = command("--model.hidden=[3]", "--print_config", main=classifier.main).out
    assert yaml.safe_load(same)["model"]["hidden"] == [3]


def test_help_says_which_options_there_are():
    outcome = command(
        "--model.name", "convnet", "--data.name", "folder", "--help", main=classifier.main
    )
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) < 170
    for option in ("model.batch_norm", "data.augment", "optimizer.betas", "stopping.patience"):
        assert f"--{option}" in outcome.out
    assert "--model.hidden" not in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model.name mpl", "unknown model.name 'mpl'; did you mean 'mlp'?"),
        ("--data.name cifar", "unknown data.name 'cifar'; there are fashion_mnist, mnist"),
        ("--model.name convnet --model.hidden 3", "unknown option --model.hidden"),
        ("--model.hidden 3 0", "model.hidden"),
        ("--model.hidden 3 x", "model.hidden"),
        ("--optimizer.name adam", "optimizer.momentum is no option of adam"),
        ("--lr 0", "lr must be a number above 0, got 0"),
        ("--loss.label_smoothing 2", "loss.label_smoothing must be a number from 0 to 1, got 2"),
        ("--schedule.rise 1", "schedule.rise must be a number between 0 and 1, got 1"),
        ("--stopping.patience 0", "stopping.patience must be a whole number above 0, got 0"),
        ("--data.validation 60000", "data.validation must be below 60000"),
        ("--data.batch_size 129 --data.limit 128", "data.drop_last leaves out all 128 images"),
        ("--trainer.devices 3", "data.batch_size must be a multiple of 3"),
        ("--trainer.strategy dpp", "the trainer's options cannot be met"),
        ("--model.mean 0.1 0.2", "model.mean must be one number or one for each channel"),
    ],
)
def test_bad_input_is_answered_in_a_few_lines_and_nothing_is_written(
    tmp_path: Path, arguments: str, message: str
):
    given = ("--runs", str(tmp_path / "runs"), "--act", "relu", *arguments.split())
    outcome = command(*given, main=classifier.main)
    assert outcome.code == 2, outcome.out
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) <= 5
    assert outcome.out == ""
    assert not (tmp_path / "runs").exists()
