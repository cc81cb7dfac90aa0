"""The command as people use it, at the smoke config."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import surrogate
from experiments.runs.run import folder_name
from experiments.tasks.data import FashionMNIST
from experiments.tasks.networks import Autoencoder
from experiments.training.metrics import read_metrics
from surrogate.pair import named_pairs
from tests.experiments.conftest import CONFIGS, Command, Smoke

ROOT = CONFIGS.parent
STAIRCASE = "Staircase(step=0.5) / Blurred(width=0.3)"

FAULTY = """
from pathlib import Path

import torch
import surrogate

calls = 0

def fail(x):
    if not Path({cure!r}).exists():
        raise RuntimeError("it does not work")
    return x.relu()

def later(x):
    global calls
    calls += 1
    return x * (float("nan") if calls > {healthy} else 1.0)

@surrogate.register
def {name}_nan():
    return surrogate.SurrogateActivation(lambda x: x * float("nan"), torch.ones_like)

@surrogate.register
def {name}_later():
    return surrogate.SurrogateActivation(later, torch.ones_like)

@surrogate.register
def {name}_raises():
    return surrogate.SurrogateActivation(fail, torch.ones_like)
"""


def losses(directory: Path) -> list[list[float]]:
    return [[row[f"loss/{part}"] for part in ("train", "val", "test")] for row in rows(directory)]


def rows(directory: Path) -> list[dict[str, float]]:
    return read_metrics(directory / "metrics.csv")


def result(directory: Path) -> dict:
    return json.loads((directory / "result.json").read_text())


def test_it_ends_with_the_table_the_baseline_first(smoke: Smoke):
    assert smoke.outcome.code == 0
    lines = smoke.outcome.out.splitlines()
    assert re.split(r"\s{2,}", lines[0]) == [
        *("activation", "test loss", "/ linear", "best epoch", "epochs", "images/s", "status")
    ]
    table = {cells[0]: cells for cells in (re.split(r"\s{2,}", line) for line in lines[1:4])}
    assert list(table) == ["linear", "cantor2", STAIRCASE]
    linear = result(smoke.directory("linear"))["test_loss"]
    for act, (_, loss, ratio, best, epochs, speed, status) in table.items():
        record = result(smoke.directory(folder_name(act)))
        assert loss == f"{record['test_loss']:.5f}"
        assert ratio == f"{record['test_loss'] / linear:.3f}"
        assert (best, epochs, status) == (str(record["best_epoch"]), "2", "finished")
        assert speed == f"{record['images_per_second']:,.0f}"
    assert table["linear"][2] == "1.000"


def test_it_says_how_to_see_the_curves(smoke: Smoke):
    assert f"tensorboard --logdir {smoke.runs / 'autoencoder'}\n" in smoke.outcome.out
    link = re.search(r"http://localhost:6006/\S+", smoke.outcome.out)
    assert link is not None
    assert "tagFilter=%5Eloss" in link[0]
    assert link[0].endswith("#timeseries")


def test_without_a_terminal_there_is_a_line_per_epoch_and_nothing_else(smoke: Smoke):
    number = r"\d\.\d{5}"
    epoch = rf"epoch \d/2  loss/train {number}  loss/val {number}  loss/test {number}  \d+\.\d s"
    lines = smoke.outcome.err.splitlines()
    assert len(lines) == 9
    for first, *epochs in (lines[0:3], lines[3:6], lines[6:9]):
        assert re.fullmatch(r".+, seed 0, in .+/seed0", first)
        assert all(re.fullmatch(epoch, line) for line in epochs)


def test_a_run_leaves_its_record(smoke: Smoke):
    directory = smoke.directory("cantor2")
    names = {path.name for path in directory.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert names - events == {
        *("identity.json", "config.yaml", "result.json", "metrics.csv", "layers.csv"),
        *("log.txt", "checkpoints"),
    }
    assert [path.name for path in (directory / "checkpoints").iterdir()] == ["last.ckpt"]
    record = result(directory)
    last = rows(directory)[-1]
    assert record["act"] == "cantor2"
    assert record["text"] == str(surrogate.get("cantor2"))
    assert (record["seed"], record["status"], record["message"]) == (0, "finished", None)
    assert (record["test_loss"], record["val_loss"]) == (last["loss/test"], last["loss/val"])
    assert record["best_epoch"] == min(rows(directory), key=lambda row: row["loss/val"])["epoch"]
    assert record["epochs"] == len(rows(directory)) == 2
    assert record["seconds"] > sum(row["seconds"] for row in rows(directory))
    assert record["images_per_second"] > 0
    assert record["parameters"] == 2109
    assert record["threads"] == torch.get_num_threads()
    assert record["precision"] == "32-true"
    assert isinstance(record["device"], str)
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"].keys() == {"python", "torch", "numpy", "lightning", "surrogate"}
    assert record["commit"] is None or re.match("[0-9a-f]{40}", record["commit"])
    assert record["command"].startswith("python -m experiments.autoencoder --config ")
    log = (directory / "log.txt").read_text()
    assert record["command"] in log
    assert log.count("epoch ") == 2


def test_the_checkpoint_holds_no_code_and_has_the_reported_loss(smoke: Smoke):
    from experiments.training.module import Training

    path = smoke.directory("cantor2") / "checkpoints" / "last.ckpt"
    network = Training.load_from_checkpoint(path, map_location="cpu", weights_only=True).network
    network.eval()
    images, labels = FashionMNIST(limit=128).test.__getitems__(list(range(128)))
    with torch.no_grad():
        loss = network.loss(images, labels).item()  # type: ignore[operator]
    assert loss == pytest.approx(result(smoke.directory("cantor2"))["test_loss"], rel=1e-5)


def test_events_hold_the_three_curves_over_epochs(smoke: Smoke):
    directory = smoke.directory("cantor2")
    events = EventAccumulator(str(directory)).Reload()
    for part in ("train", "val", "test"):
        points = [(event.step, event.value) for event in events.Scalars(f"loss/{part}")]
        expected = [(row["epoch"], row[f"loss/{part}"]) for row in rows(directory)]
        assert points == [(epoch, pytest.approx(loss)) for epoch, loss in expected]
    final = events.Scalars("hp/test_loss")
    assert [event.value for event in final] == [pytest.approx(rows(directory)[-1]["loss/test"])]
    assert "hp_metric" not in events.Tags()["scalars"]


def test_it_goes_through_the_hops_of_the_architecture_page(run: Command, tmp_path: Path):
    page = (ROOT / "docs" / "architecture.md").read_text()
    hops = re.findall(r"^\d\. `(\S+\.py)`: `(\w+)`", page, re.MULTILINE)
    assert len(hops) <= 8
    reached: list[tuple[str, str]] = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename.partition("/experiments/")[2]
        hop = (path, frame.f_code.co_name)
        if event == "call" and hop in hops and hop not in reached:
            reached.append(hop)

    sys.setprofile(profile)
    try:
        outcome = run("cantor2", tmp_path, "--baseline", "none", "--trainer.max_epochs", "1")
    finally:
        sys.setprofile(None)
    assert outcome.code == 0
    assert reached == hops


def test_what_has_finished_is_not_run_again(smoke: Smoke, run: Command):
    directory = smoke.directory("cantor2")
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    outcome = run("cantor2", smoke.runs)
    assert outcome.code == 0
    assert outcome.err.splitlines() == [
        f"{act}, seed 0: done before, in {smoke.directory(act)}" for act in ("linear", "cantor2")
    ]
    table = [line.split() for line in outcome.out.splitlines()[1:3]]
    assert table == [line.split() for line in smoke.outcome.out.splitlines()[1:3]]
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(
    smoke: Smoke, run: Command, tmp_path: Path
):
    directory = tmp_path / "runs" / "autoencoder" / "cantor2"
    for seed in ("0", "1"):
        assert run("cantor2", tmp_path / "runs", "--baseline", "none", "--seed", seed).code == 0
    assert losses(directory / "seed0") == losses(smoke.directory("cantor2"))
    assert losses(directory / "seed1") != losses(directory / "seed0")
    assert not (tmp_path / "runs" / "autoencoder" / "linear").exists()


def test_a_run_is_repeated_from_its_config(smoke: Smoke, command_line: Command, tmp_path: Path):
    config = smoke.directory("cantor2") / "config.yaml"
    outcome = command_line("--config", str(config), "--runs", str(tmp_path), "--baseline", "none")
    assert outcome.code == 0
    again = tmp_path / "autoencoder" / "cantor2" / "seed0"
    assert losses(again) == losses(smoke.directory("cantor2"))
    assert (again / "config.yaml").read_text() == config.read_text()


def test_another_config_gets_another_directory(run: Command, tmp_path: Path):
    assert run("relu", tmp_path, "--baseline", "none").code == 0
    options = ("--model.channels", "3", "--trainer.precision", "bf16-mixed")
    options += ("--trainer.max_epochs", "1")
    assert run("relu", tmp_path, "--baseline", "none", *options).code == 0
    first, second = sorted((tmp_path / "autoencoder" / "relu").iterdir())
    assert first.name == "seed0"
    assert re.fullmatch("seed0-[0-9a-f]{8}", second.name)
    assert (len(losses(first)), len(losses(second))) == (2, 1)
    assert yaml.safe_load((second / "config.yaml").read_text())["model"]["channels"] == 3
    assert result(second)["precision"] == "bf16-mixed"


def test_another_optimiser_and_schedule(smoke: Smoke, run: Command, tmp_path: Path):
    options = ("--optimizer.name", "sgd", "--optimizer.momentum", "0.9", "--lr", "0.5")
    options += ("--schedule.name", "one_cycle", "--stopping.patience", "1")
    assert run("cantor2", tmp_path, "--baseline", "none", *options).code == 0
    directory = tmp_path / "autoencoder" / "cantor2" / "seed0"
    first, second = losses(directory)
    assert second[0] < first[0]
    assert first[0] != losses(smoke.directory("cantor2"))[0][0]
    best = min(rows(directory), key=lambda row: row["loss/val"])
    assert result(directory)["test_loss"] == best["loss/test"]


def test_a_compiled_network_learns_the_same(smoke: Smoke, run: Command, tmp_path: Path):
    options = ("--compile", "true", "--baseline", "none", "--trainer.max_epochs", "1")
    assert run("cantor2", tmp_path, *options).code == 0
    directory = tmp_path / "autoencoder" / "cantor2" / "seed0"
    assert losses(directory)[0] == pytest.approx(losses(smoke.directory("cantor2"))[0], rel=0.05)
    checkpoint = torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)
    assert not any("_orig_mod" in name for name in checkpoint["state_dict"])


@pytest.fixture
def faulty(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A file of activations that diverge or raise, and the prefix of their names."""
    name = re.sub(r"\W", "_", request.node.name)
    path = tmp_path / "faulty.py"
    # 15 sites; 4 batches in each of three parts, and 4 to see how the layers are doing before
    # and after the epoch: healthy for an epoch and a step.
    text = FAULTY.format(name=name, cure=str(tmp_path / "cure"), healthy=15 * (5 * 4 + 1))
    path.write_text(text)
    return str(path), name


def first_site() -> str:
    network = Autoencoder("relu", channels=4, latent=4)
    return next(iter(named_pairs(network)))


def test_a_run_that_diverges_stops_and_the_others_go_on(
    run: Command, tmp_path: Path, faulty: tuple[str, str]
):
    file, name = faulty
    acts = f"{name}_nan|{name}_later|relu"
    outcome = run(acts, tmp_path, "--baseline", "none", "--import", file)
    assert outcome.code == 1
    at_once, later, relu = (tmp_path / "autoencoder" / act / "seed0" for act in acts.split("|"))
    record = result(at_once)
    assert record["status"] == "diverged"
    first = "the first value that is not finite is the output of"
    where = f"; {first} {first_site()}"
    assert record["message"] == f"the training loss is nan in epoch 1, step 1{where}"
    assert (record["test_loss"], record["val_loss"], record["best_epoch"]) == (None, None, None)
    assert (record["epochs"], losses(at_once)) == (0, [])
    record = result(later)
    assert (record["status"], record["epochs"], record["best_epoch"]) == ("diverged", 1, 1)
    assert record["message"].startswith(f"the training loss is nan in epoch 2, step 2; {first}")
    assert record["test_loss"] is None
    assert len(losses(later)) == 1
    assert result(relu)["status"] == "finished"
    assert f"{name}_nan diverged: the training loss is nan" in outcome.err
    lines = outcome.out.splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["diverged", "diverged", "finished"]
    again = run(f"{name}_nan", tmp_path, "--baseline", "none", "--import", file)
    assert again.code == 1
    assert "done before" in again.err


def test_an_activation_that_raises_fails_alone_and_is_tried_again(
    run: Command, tmp_path: Path, faulty: tuple[str, str]
):
    file, name = faulty
    options = ("--baseline", "none", "--import", file)
    outcome = run(f"{name}_raises|relu", tmp_path, *options)
    assert outcome.code == 1
    directory = tmp_path / "autoencoder" / f"{name}_raises" / "seed0"
    record = result(directory)
    assert (record["status"], record["test_loss"]) == ("failed", None)
    assert record["message"] == "RuntimeError: it does not work"
    assert "Traceback" in (directory / "log.txt").read_text()
    assert "Traceback" not in outcome.err
    assert result(tmp_path / "autoencoder" / "relu" / "seed0")["status"] == "finished"
    (tmp_path / "cure").touch()
    again = run(f"{name}_raises", tmp_path, *options)
    assert again.code == 0
    assert result(directory)["status"] == "finished"


def test_list_acts_is_quick():
    script = (
        "import sys; from experiments.autoencoder import main; main(['--list_acts']); "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'lightning', 'matplotlib'}))"
    )
    listed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=CONFIGS.parent
    )
    *lines, heavy = listed.stdout.splitlines()
    assert heavy == "[]"
    assert [line.split()[0] for line in lines] == surrogate.names()[: len(lines)]
    assert "Cantor() / Constant()" in listed.stdout


def test_list_acts_shows_the_users_own(command_line: Command, faulty: tuple[str, str]):
    file, name = faulty
    outcome = command_line("--list_acts", "--import", file)
    assert outcome.code == 0
    assert f"{name}_nan" in outcome.out


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_one(config: Path, command_line: Command):
    outcome = command_line("--config", str(config), "--print_config")
    assert outcome.code == 0
    settings = yaml.safe_load(outcome.out)
    for group, values in yaml.safe_load(config.read_text()).items():
        assert {name: settings[group][name] for name in values} == values


def test_every_config_says_all_that_the_default_does():
    default = yaml.safe_load((CONFIGS / "laptop.yaml").read_text())
    for config in CONFIGS.glob("*.yaml"):
        settings = yaml.safe_load(config.read_text())
        for group, values in default.items():
            assert values.keys() <= settings[group].keys(), config


def test_options_win_over_the_config_and_the_config_over_the_default(
    command_line: Command, tmp_path: Path
):
    config = tmp_path / "mine.yaml"
    config.write_text("model:\n  channels: 7\n  latent: 3\n")
    options = ("--config", str(config), "--model.latent", "5", "--print_config")
    settings = yaml.safe_load(command_line(*options).out)
    default = yaml.safe_load((CONFIGS / "laptop.yaml").read_text())
    assert settings["model"] == {"channels": 7, "latent": 5}
    assert settings["trainer"]["max_epochs"] == default["trainer"]["max_epochs"]


def test_help_is_short(command_line: Command):
    outcome = command_line("--help")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) < 130
    assert str(CONFIGS) not in outcome.out  # the same wherever the project lies
    for option in ("--act", "--seed", "--trainer.max_epochs", "--list_acts", "--import"):
        assert option in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--act cantr2", "unknown activation 'cantr2'; did you mean 'cantor2'?"),
        ("--act relu --baseline linaer", "did you mean 'linear'?"),
        ("--act Staircase(step=-1)/Constant(1)", "step must be a finite number above 0, got -1"),
        ("--act Staircase(stp=1)/Constant(1)", "did you mean 'step'?"),
        ("--act ReLU()/", "something is missing"),
        ("", "name one or several with --act"),
        ("--act relu --trainer.max_epoch 3", "did you mean '--trainer.max_epochs'?"),
        ("--act relu --modle.channels=3", "did you mean '--model.channels'?"),
        ("--act relu --sede 1", "unknown option --sede; did you mean '--seed'?"),
        ("--act relu --model.channels 0", "model.channels must be a whole number above 0, got 0"),
        ("--act relu --data.limit x", "data.limit must be a whole number above 0, got x"),
        ("--act relu --seed -1", "seed must be a whole number, 0 or above, got -1"),
        ("--act relu --seed 4-2", "--seed: a range of seeds is such as 0-4, got '4-2'"),
        ("--acts relu", "--acts is now --act"),
        ("--act relu --seeds 3", "--seeds is now --seed, which takes the seeds themselves"),
        ("--act relu --optimizer.lr 3", "--optimizer.lr is now --lr"),
        ("--list-acts", "--list-acts is now --list_acts"),
        ("--act=relu gelu --sede", "unknown option --sede"),
        ("--act relu --experiment classifier", "this command is of the experiment autoencoder"),
        ("--act relu --metric test_los", "did you mean 'test_loss'?"),
        ("--act relu --lr nan", "lr must be a number above 0, got nan"),
        ("--act relu --trainer.precision 77", "trainer.precision: Expected"),
        ("--act relu --compile maybe", "compile: Expected"),
        ("--act relu --config nowhere.yaml", "No such file or directory"),
        ("--act relu --import nowhere.py", "--import nowhere.py: FileNotFoundError"),
        ("--act relu --data.root /nowhere", "train-images-idx3-ubyte.gz does not exist"),
        ("--act relu --trainer.accelerator tpuu", "the trainer's options cannot be met"),
    ],
)
def test_bad_input_is_answered_in_a_few_lines_and_nothing_is_written(
    command_line: Command, tmp_path: Path, arguments: str, message: str
):
    outcome = command_line("--runs", str(tmp_path / "runs"), *arguments.split())
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) <= 4
    assert outcome.out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model:\n  chanels: 3\n",
            "unknown config key model.chanels; did you mean 'model.channels'?",
        ),
        ("modle:\n  channels: 3\n", "unknown config key modle.channels; did you mean 'model.c"),
        ("act: [cantr2]\n", "did you mean 'cantor2'?"),
        ("model: [\n", "cannot be read: while parsing a flow"),
        ("import: [mine.py]\n", "unknown key import: only the command line has --import"),
        ("acts: [relu]\n", "acts is now act"),
        ("settings: {}\n", "settings is now config, and in a file the settings stand at its top"),
        ("act: !!python/object/apply:os.system ['true']\n", "error: "),
    ],
)
def test_a_bad_config_is_answered_in_a_few_lines(
    command_line: Command, tmp_path: Path, text: str, message: str
):
    config = tmp_path / "bad.yaml"
    config.write_text(text)
    runs = tmp_path / "runs"
    outcome = command_line("--config", str(config), "--runs", str(runs))
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) <= 5
    assert not runs.exists()


def test_a_file_that_does_not_import_is_named(command_line: Command, tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("import surrogate\nsurrogate.nonsense\n")
    outcome = command_line("--act", "relu", "--import", str(path))
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: --import {path}, line 2: AttributeError: ")


def test_a_file_with_a_dataclass_can_be_imported(command_line: Command, tmp_path: Path):
    """Dataclasses look for their module, and annotations are the file's own affair."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass, fields\n@dataclass\nclass Mine:\n    x: float = 1\n"
        "assert fields(Mine)[0].type is float\n"
    )
    outcome = command_line("--list_acts", "--import", str(path))
    assert (outcome.code, outcome.err) == (0, "")


def test_runs_that_cannot_be_kept(run: Command, tmp_path: Path):
    (tmp_path / "file").write_text("not a directory")
    outcome = run("relu", tmp_path / "file" / "runs")
    assert outcome.code == 2
    assert outcome.err == (
        f"error: cannot keep runs in {tmp_path / 'file' / 'runs'}: Not a directory\n"
    )
    assert (tmp_path / "file").read_text() == "not a directory"


def test_a_damaged_result_is_named(run: Command, tmp_path: Path):
    options = ("--baseline", "none", "--trainer.max_epochs", "1")
    assert run("relu", tmp_path, *options).code == 0
    path = tmp_path / "autoencoder" / "relu" / "seed0" / "result.json"
    for text, problem in (
        ("{", "is damaged"),
        ("[1]", "is not a run's result: it is no object"),
        ('{"status": "finished"}', "is not a run's result: it has no act"),
    ):
        path.write_text(text)
        outcome = run("relu", tmp_path, *options)
        assert outcome.code == 2
        assert f"{path} {problem}" in outcome.err
        assert path.read_text() == text
