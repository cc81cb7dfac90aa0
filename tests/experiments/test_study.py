"""What a study is: its config, its options, its list of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import compare
from experiments.common.errors import UsageError
from experiments.settings.read import Settings, read_settings
from experiments.tasks.experiment import BUILT_IN, named
from tests.experiments.conftest import CONFIGS, planned

OPTIONS = ("--experiment", "autoencoder", "--act", "relu")
CLASSIFIER = ("--experiment", "classifier", "--act", "relu")


def made(*arguments: str) -> Settings:
    return read_settings("compare", arguments, engine="local")


def in_file(folder: Path, text: str) -> str:
    path = folder / "study.yaml"
    path.write_text(text)
    return str(path)


def test_the_runs_are_those_of_single_commands():
    """For each seed and learning rate, the baseline among them, every run once."""
    words = ("cantor2", "relu", "--seed", "0", "1", "0", "--lr", "1e-3", "3e-3")
    jobs = planned(*OPTIONS, *words)
    expected = [
        job.run.identity
        for seed in ("0", "1")
        for lr in ("0.001", "0.003")
        for job in planned(*OPTIONS, "cantor2", "--seed", seed, "--lr", lr)
    ]
    assert [job.run.identity for job in jobs] == expected
    assert len({job.run.digest for job in jobs}) == len(jobs) == 12
    assert jobs[0].name == "linear, seed 0, learning rate 0.001"


def test_without_learning_rates_it_is_the_experiments_own(tmp_path: Path):
    path = in_file(tmp_path, "optimizer: {lr: 0.5}")
    jobs = planned(*OPTIONS, "--baseline", "none", "--config", path)
    assert [job.run.config["optimizer"]["lr"] for job in jobs] == [0.5]


@pytest.mark.parametrize(
    ("words", "seeds"),
    [("3", [3]), ("0-2", [0, 1, 2]), ("3 7", [3, 7]), ("7 0-1", [7, 0, 1]), ("5-5", [5])],
)
def test_seeds_are_numbers_and_ranges(tmp_path: Path, words: str, seeds: list[int]):
    assert made(*OPTIONS, "--seed", *words.split()).study.seed == seeds
    path = in_file(tmp_path, f"seed: [{', '.join(words.split())}]")
    assert made(*OPTIONS, "--config", path).study.seed == seeds


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cantor2( depth = 5)", "cantor2(depth=5)"),
        ("GELU()", "GELU() / Exact()"),
        ("RReLU(0.1, .3)", "LeakyReLU(negative_slope=Drawn(low=0.1, high=0.3)) / Exact()"),
        ("ReLU()/Constant(1)", "ReLU() / Constant()"),
    ],
)
def test_a_pair_has_one_name_however_it_is_written(text: str, name: str):
    for given in (text, name):
        assert made(*OPTIONS, "--act", given).study.act == [name]


def test_a_file_is_the_same_as_options(tmp_path: Path):
    path = in_file(
        tmp_path,
        """
        experiment: autoencoder
        act: [relu, "Staircase(step=.5)/Constant(1)"]
        seed: 7
        lr: [1e-3, 0.1]
        baseline: gelu
        workers: 2
        engine: ray
        gpus: 0.5
        runs: elsewhere
        model: {channels: 4}
        data: {limit: 64}
        """,
    )
    assert made("--config", path) == made(
        *("--experiment", "autoencoder", "--act", "relu", "Staircase(step=0.5) / Constant()"),
        *("--seed", "7", "--lr", "1e-3", "1e-1", "--baseline", "gelu", "--workers", "2"),
        *("--engine", "ray", "--gpus", ".5", "--runs", "elsewhere"),
        *("--model.channels", "4", "--data.limit=64"),
    )


def test_options_win_over_configs_and_later_ones_over_earlier_ones(tmp_path: Path):
    path = in_file(
        tmp_path,
        "experiment: autoencoder\nact: [relu]\nseed: 0-4\nmodel: {channels: 4, latent: 3}\n",
    )
    smoke = str(CONFIGS / "smoke.yaml")  # channels: 4, latent: 4, limit: 128
    found = made("--config", path, "--config", smoke, "--model.channels", "9", "--seed", "1")
    assert found.study.seed == [1]
    assert found.groups["model"] == {"channels": 9, "latent": 4}
    assert found.groups["data"]["limit"] == 128
    found = made("--config", path)
    assert found.groups["model"] == {"channels": 4, "latent": 3}
    assert found.groups["data"]["limit"] is None


@pytest.mark.parametrize("path", sorted((CONFIGS / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_study_of_the_project_can_be_planned(path: Path):
    study = made("--config", str(path)).study
    acts = len(study.act) + (study.baseline != "none")
    jobs = planned("--config", str(path))
    assert len(jobs) == len(study.seed) * max(1, len(study.lr)) * acts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axt: [relu]", "unknown config key axt; did you mean 'act'?"),
        ("worker: 3", "unknown config key worker; did you mean 'workers'?"),
        ("config: other.yaml", "unknown key config"),
        ("act: relv", "act: unknown activation 'relv'; did you mean 'relu'?"),
        ("act: []", "name one or several with --act"),
        ("experiment: autoencodr", "unknown experiment 'autoencodr'; did you mean 'autoencoder'?"),
        ("engine: rya", "engine"),
        ("seed: 1.5", "seed must be a whole number, 0 or above"),
        ("seed: [1, -2]", "seed must be a whole number, 0 or above"),
        ("seed: 0-20000", "there can be at most 10000 seeds, got '0-20000'"),
        ("seed: []", "seed must not be empty"),
        ("lr: [0]", "lr must be a number above 0"),
        ("lr: fast", "lr must be a number above 0"),
        ("workers: 0", "workers must be a whole number above 0, got 0"),
        ("workers: 20000", "workers must be at most 10000, got 20000"),
        (
            "metric: test_accuracy",
            "metric must be one of test_loss, val_loss, best_epoch, epochs, seconds, "
            "images_per_second, got 'test_accuracy'",
        ),
        ("address: here", "address: only --address names a cluster"),
        ("gpus: 0.5", "--address and --gpus are for --engine ray"),
        ("model: {chanels: 3}", "unknown config key model.chanels; did you mean"),
        ("runs: /elsewhere", "runs: a file can only name a folder below the working directory"),
        ("act: [", "cannot be read"),
        ("act: !!python/object/apply:os.system ['true']", "cannot be read"),
        ("just words", "settings are a mapping such as act: [relu]"),
    ],
)
def test_a_bad_file_is_answered_with_what_is_wrong(tmp_path: Path, text: str, message: str):
    defaults = {"experiment": "experiment: autoencoder", "act": "act: [relu]"}
    if text != "just words":
        text = "\n".join([text, *(v for k, v in defaults.items() if not text.startswith(k))])
    with pytest.raises(UsageError) as raised:
        made("--config", in_file(tmp_path, text))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--act relu", "no experiment: give --experiment"),
        ("--experiment autoencoder", "no activation: name one or several with --act"),
        ("--config nowhere.yaml", "--config nowhere.yaml: No such file"),
        ("relu --act gelu", "'relu' belongs to no option: activations follow --act"),
        ("--wokers 3", "unknown option --wokers; did you mean '--workers'?"),
        ("--modle.channels=3", "did you mean '--model.channels'?"),
        ("--model.channels 0", "model.channels must be a whole number above 0, got 0"),
        ("--seed many", "seed must be a whole number, 0 or above"),
        ("--lrs 1e-3", "--lrs is now --lr"),
        ("--settings mine.yaml", "--settings is now --config"),
        ("--dry-run", "--dry-run is now --dry_run"),
        ("--dry_run true", "--dry_run takes no value, got 'true'"),
        ("--import a.py b.py", "--import takes one value and can be repeated, got 2 values"),
        ("--trainer.devices 2", "--engine local trains each network in one process"),
        ("--gpus 1", "--address and --gpus are for --engine ray"),
        ("--import nowhere.py", "--import nowhere.py: FileNotFoundError"),
        ("--data.root /nowhere", "train-images-idx3-ubyte.gz does not exist"),
    ],
)
def test_bad_options_are_answered_in_a_few_lines_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
):
    words = arguments.split()
    if not arguments.startswith(("--act", "--experiment", "--config", "relu")):
        words = [*OPTIONS, *words]
    runs = tmp_path / "runs"
    assert compare.main([*words, "--runs", str(runs)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) <= 4
    assert captured.out == ""
    assert not runs.exists()


def test_every_experiment_has_its_name():
    for name in BUILT_IN:
        assert named(name).name == name


def test_a_study_of_the_classifier_goes_by_accuracy():
    words = (*CLASSIFIER, "--lr", "0.1", "0.2", "--model.hidden", "16", "8")
    found = made(*words)
    assert found.experiment.score == "test_accuracy"
    assert found.groups["model"]["hidden"] == [16, 8]
    rates = [job.run.config["optimizer"]["lr"] for job in planned(*words)]
    assert rates == [0.1, 0.1, 0.2, 0.2]
    assert made(*CLASSIFIER, "--metric", "test_loss").study.metric == "test_loss"


def test_the_options_are_those_of_the_network_that_a_config_names(tmp_path: Path):
    path = in_file(
        tmp_path,
        "experiment: classifier\nact: [relu]\n"
        "model: {name: convnet, batch_norm: true}\ndata: {name: mnist}\n",
    )
    for found in (
        made("--config", path),
        made(*CLASSIFIER, "--model.name", "convnet", "--model.batch_norm", "true"),
    ):
        assert found.groups["model"]["name"] == "convnet"
        assert found.groups["model"]["batch_norm"] is True
        assert "hidden" not in found.groups["model"]
    assert made("--config", path).groups["data"]["name"] == "mnist"


def test_help_names_all_options(capsys: pytest.CaptureFixture[str]):
    assert compare.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 170
    for key in ("act", "seed", "lr", "engine", "workers", "dry_run", "import", "experiment"):
        assert f"--{key} " in out
