"""What a study is: its file, its options, its list of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from experiments.common.errors import UsageError

from experiments import compare
from experiments.settings.parser import make_parser, parse
from experiments.studies import command as cli
from experiments.studies import plan as study
from experiments.studies.plan import Study
from experiments.tasks.experiment import EXPERIMENTS, named
from tests.experiments.conftest import CONFIGS

OPTIONS = ("--experiment", "autoencoder", "--acts", "relu")


def made(*arguments: str) -> Study:
    given, rest = compare.make_parser().parse_known_args(arguments)
    return study.make_study(vars(given), rest)


def in_file(folder: Path, text: str) -> str:
    path = folder / "study.yaml"
    path.write_text(text)
    return str(path)


def test_the_runs_are_those_that_the_experiments_command_plans():
    """For each learning rate and seed, the baseline among them, every run once."""
    planned = made(*OPTIONS, "cantor2", "relu", "--seeds", "2", "--lrs", "1e-3", "3e-3")
    jobs = study.plan(planned, None)
    expected: list[Any] = []
    for seed in ("0", "1"):
        for lr in ("0.001", "0.003"):
            words = ("--act", "relu", "cantor2", "--seed", seed, "--optimizer.lr", lr)
            settings = parse(make_parser("autoencoder"), words)
            expected += cli.plan("autoencoder", settings, None)
    assert [job.run.identity for job in jobs] == [run.identity for run in expected]
    assert len({job.run.digest for job in jobs}) == len(jobs) == 12
    assert jobs[0].name == "linear, seed 0, learning rate 0.001"


def test_without_learning_rates_it_is_the_experiments_own():
    jobs = study.plan(made(*OPTIONS, "--baseline", "none", "--optimizer.lr", "0.5"), None)
    assert [job.run.config["optimizer"]["lr"] for job in jobs] == [0.5]


@pytest.mark.parametrize(
    ("words", "seeds"),
    [("3", (0, 1, 2)), ("1", (0,)), ("3 7", (3, 7)), ("7 7 3", (7, 3)), ("0 1", (0, 1))],
)
def test_one_seed_is_a_count_and_several_are_the_seeds(words: str, seeds: tuple[int, ...]):
    assert made(*OPTIONS, "--seeds", *words.split()).seeds == seeds


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
        assert made(*OPTIONS, "--acts", given).acts == (name,)


def test_a_file_is_the_same_as_options(tmp_path: Path):
    path = in_file(
        tmp_path,
        """
        experiment: autoencoder
        acts: [relu, "Staircase(step=.5)/Constant(1)"]
        seeds: [7]
        lrs: [1e-3, 0.1]
        baseline: gelu
        workers: 2
        engine: ray
        gpus: 0.5
        runs: elsewhere
        settings:
          model: {channels: 4}
          data: {limit: 64}
        """,
    )
    assert made("--config", path) == made(
        *("--experiment", "autoencoder", "--acts", "relu", "Staircase(step=0.5) / Constant()"),
        *("--seeds", "7", "7", "--lrs", "1e-3", "1e-1", "--baseline", "gelu", "--workers", "2"),
        *("--engine", "ray", "--gpus", ".5", "--runs", "elsewhere"),
        *("--model.channels", "4", "--data.limit=64"),
    )


def test_options_win_over_the_file_and_that_over_the_experiments_defaults(tmp_path: Path):
    path = in_file(
        tmp_path,
        "experiment: autoencoder\nacts: [relu]\nseeds: 5\n"
        "settings: {model: {channels: 4, latent: 3}}\n",
    )
    smoke = str(CONFIGS / "smoke.yaml")  # channels: 4, latent: 4, limit: 128
    found = made("--config", path, "--settings", smoke, "--model.channels", "9", "--seeds", "1")
    assert found.seeds == (0,)
    assert found.settings["model"] == {"channels": 9, "latent": 4}
    assert found.settings["data"]["limit"] == 128
    found = made("--config", path)
    assert found.settings["model"] == {"channels": 4, "latent": 3}
    assert found.settings["data"]["limit"] is None


@pytest.mark.parametrize("path", sorted((CONFIGS / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_study_of_the_project_can_be_planned(path: Path):
    found = made("--config", str(path))
    jobs = study.plan(found, None)
    acts = len(found.acts) + (found.baseline != "none")
    assert len(jobs) == len(found.seeds) * max(1, len(found.lrs)) * acts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axts: [relu]", "unknown key axts; did you mean 'acts'?"),
        ("worker: 3", "unknown key worker; did you mean 'workers'?"),
        ("config: other.yaml", "unknown key config"),
        ("acts: relv", "acts: unknown activation 'relv'; did you mean 'relu'?"),
        ("acts: []", "acts: must not be empty"),
        ("acts: [relu, 3]", "acts: must be text, got 3"),
        ("experiment: autoencodr", "got 'autoencodr'; did you mean 'autoencoder'?"),
        ("engine: rya", "engine: must be one of local, ray, got 'rya'; did you mean 'ray'?"),
        ("seeds: 0", "seeds: must be above 0, got 0"),
        ("seeds: 1.5", "seeds: must be a whole number, 0 or above, got 1.5"),
        ("seeds: [1, -2]", "seeds: must be a whole number, 0 or above, got -2"),
        ("seeds: true", "seeds: must be a whole number, 0 or above, got True"),
        ("lrs: [0]", "lrs: must be a number above 0, got 0"),
        ("lrs: [.inf]", "lrs: must be a number above 0, got inf"),
        ("lrs: fast", "lrs: must be a number above 0, got 'fast'"),
        ("workers: 0", "workers: must be above 0, got 0"),
        (
            "metric: test_accuracy",
            "metric: must be one of test_loss, val_loss, best_epoch, epochs, seconds, "
            "images_per_second, got 'test_accuracy'",
        ),
        ("address: here", "address: only --address names a cluster"),
        ("gpus: 0.5", "--address and --gpus are for --engine ray"),
        ("settings: {model: {chanels: 3}}", "unknown config key model.chanels; did you mean"),
        ("settings: {seed: 3}", "settings: seed is not one of them, but of the study"),
        ("settings: nowhere.yaml", "No such file or directory"),
        ("acts: [", "cannot be read"),
        ("acts: !!python/object/apply:os.system ['true']", "cannot be read"),
        ("just words", "a study file has keys such as experiment, acts"),
    ],
)
def test_a_bad_file_is_answered_with_what_is_wrong(tmp_path: Path, text: str, message: str):
    defaults = {"experiment": "experiment: autoencoder", "acts": "acts: [relu]"}
    if text != "just words":
        text = "\n".join([text, *(v for k, v in defaults.items() if not text.startswith(k))])
    with pytest.raises(UsageError) as raised:
        made("--config", in_file(tmp_path, text))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--acts relu", "no experiment: give --experiment"),
        ("--experiment autoencoder", "no acts: give --acts"),
        ("--config nowhere.yaml", "--config nowhere.yaml: No such file"),
        ("--seed 3", "unknown option --seed; did you mean '--seeds'?"),
        ("--act relu", "unknown option --act; did you mean '--acts'?"),
        ("--wokers 3", "unknown option --wokers; did you mean '--workers'?"),
        ("--modle.channels=3", "did you mean '--model.channels'?"),
        ("--model.channels 0", "model.channels must be a whole number above 0, got 0"),
        ("--seeds many", "--seeds: must be a whole number, 0 or above, got 'many'"),
        ("--lrs 1e-3 --optimizer.lr 3", "both lrs and --optimizer.lr are given"),
        ("--trainer.devices 2", "a study trains each network in one process"),
        ("--gpus 1", "--address and --gpus are for --engine ray"),
        ("--import nowhere.py", "--import nowhere.py: FileNotFoundError"),
        ("--data.root /nowhere", "train-images-idx3-ubyte.gz does not exist"),
    ],
)
def test_bad_options_are_answered_in_a_few_lines_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
):
    words = arguments.split()
    if not arguments.startswith(("--acts", "--experiment", "--config")):
        words = [*OPTIONS, *words]
    runs = tmp_path / "runs"
    assert compare.main([*words, "--runs", str(runs)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) <= 4
    assert captured.out == ""
    assert not runs.exists()


def test_every_experiment_is_listed():
    for name in EXPERIMENTS:
        assert named(name).name == name
    modules = Path(cli.__file__).parent.glob("*.py")
    found = {path.stem for path in modules if "\nEXPERIMENT = " in path.read_text()}
    assert found == set(EXPERIMENTS)


CLASSIFIER = ("--experiment", "classifier", "--acts", "relu")


def test_a_study_of_the_classifier_goes_by_accuracy():
    found = made(*CLASSIFIER, "--lrs", "0.1", "0.2", "--model.hidden", "16", "8")
    assert found.metric == "test_accuracy"
    assert found.settings["model"]["hidden"] == [16, 8]
    rates = [job.run.config["optimizer"]["lr"] for job in study.plan(found, None)]
    assert rates == [0.1, 0.1, 0.2, 0.2]
    assert made(*CLASSIFIER, "--metric", "test_loss").metric == "test_loss"
    assert made(*OPTIONS).metric == "test_loss"


def test_the_options_are_those_of_the_network_that_a_study_file_names(tmp_path: Path):
    path = in_file(
        tmp_path,
        "experiment: classifier\nacts: [relu]\n"
        "settings: {model: {name: convnet, batch_norm: true}, data: {name: mnist}}\n",
    )
    for found in (
        made("--config", path),
        made(*CLASSIFIER, "--model.name", "convnet", "--model.batch_norm", "true"),
    ):
        assert found.settings["model"]["name"] == "convnet"
        assert found.settings["model"]["batch_norm"] is True
        assert "hidden" not in found.settings["model"]
    assert made("--config", path).settings["data"]["name"] == "mnist"


def test_help_is_short(capsys: pytest.CaptureFixture[str]):
    assert compare.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 60
    for key in (*study.KEYS, "settings", "dry-run", "import"):
        assert f"--{key} " in out or f"--{key}\n" in out
