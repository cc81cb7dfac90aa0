"""Studies carried out by processes of this machine, and all that can go wrong meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from experiments import compare
from experiments.analysis import report
from experiments.common.files import below
from experiments.runs.run import Run, held
from experiments.studies import scheduler
from experiments.studies.engines import local
from experiments.studies.engines.base import Ended
from experiments.studies.engines.local import Worker
from experiments.studies.progress import live_table, progress
from experiments.tasks.experiment import BUILT_IN, named
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import CONFIGS, Command, Outcome, planned

STUDY = ("--config", str(CONFIGS / "studies" / "smoke.yaml"))
COMMAND = (sys.executable, "-m", "experiments.compare", *STUDY)
ONE = ("--act", "relu", "--baseline", "none", "--seed", "0", "--lr", "1e-3")

MINE = """
import os, signal, time
import torch
import surrogate

def pair(function):
    return surrogate.SurrogateActivation(function, torch.ones_like)

def wait(x):
    time.sleep(0.005)
    return x

def fail(x):
    raise RuntimeError("it does not work")

def die(x):
    os.kill(os.getpid(), signal.SIGKILL)

@surrogate.register
def {name}_slow():
    return pair(wait)

@surrogate.register
def {name}_nan():
    return pair(lambda x: x * float("nan"))

@surrogate.register
def {name}_raises():
    return pair(fail)

@surrogate.register
def {name}_dies():
    return pair(die)
"""


@pytest.fixture
def mine(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A file of activations that are slow, diverge, raise or kill; the prefix of their names."""
    name = re.sub(r"\W", "_", request.node.name)
    path = tmp_path / "mine.py"
    path.write_text(MINE.format(name=name))
    return str(path), name


Study = Callable[..., Outcome]


@pytest.fixture
def study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Study:
    """`study("--seed", "0-1")`: the command with the smoke study and runs of the test's own."""

    def study(*arguments: str) -> Outcome:
        words = [*STUDY, "--runs", str(tmp_path / "runs"), "--workers", "2", *arguments]
        code = compare.main(words)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return study


def results(runs: Path) -> list[dict[str, Any]]:
    """Of all runs; each has identity, result, curve and events, and is there once."""
    directories = [path.parent for path in runs.rglob("identity.json")]
    found = [json.loads((each / "result.json").read_text()) for each in directories]
    identities = {(each / "identity.json").read_text() for each in directories}
    assert len(identities) == len(directories)
    for directory, result in zip(directories, found, strict=True):
        assert len(read_metrics(directory / "metrics.csv")) == result["epochs"]
        if result["status"] == "finished":
            assert list(directory.glob("events.out.tfevents.*"))
            assert result["epochs"] == result["config"]["trainer"]["max_epochs"]
    return found


def trained(directory: Path) -> list[str]:
    """The epochs that were trained in a run's directory, by its log."""
    return re.findall(r" epoch (\d+)/", (directory / "log.txt").read_text())


class Killing(local.Local):
    """Kills workers: before they start, in the first epoch and behind it."""

    victims: ClassVar[list[Worker]] = []

    def start(self, run: Run, directory: Path) -> None:
        super().start(run, directory)
        self.directories = {**getattr(self, "directories", {}), run.digest: directory}
        if not self.victims and len(self.directories) == 4:
            (worker,) = (each for each in self.workers.values() if each.run is run)
            self.kill(worker)

    def wait(self, seconds: float) -> list[Ended]:
        for worker in self.workers.values():
            if worker in self.victims or not worker.run.act.endswith("_slow"):
                continue  # it may just have ended
            path = self.directories[worker.run.digest] / "metrics.csv"
            training, rows = path.exists(), read_metrics(path)
            if (len(self.victims), bool(rows)) in {(1, False), (2, True)} and training:
                self.kill(worker)
        return super().wait(0.01)

    def kill(self, worker: Worker) -> None:
        assert worker.process.pid is not None
        os.kill(worker.process.pid, signal.SIGKILL)
        self.victims.append(worker)


def test_forty_runs_survive_three_killed_workers(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: tuple[str, str]
):
    file, name = mine
    monkeypatch.setattr(local, "Local", Killing)
    acts = ("--act", "relu", f"{name}_slow", "cantor2", "--import", file)
    outcome = study(*acts, "--trainer.max_epochs", "2")
    assert len(Killing.victims) == 3
    assert outcome.code == 0
    assert outcome.err.count("its process was killed by SIGKILL; it is tried again") == 3
    assert "Lost and replaced: 3 workers" in outcome.out
    found = results(tmp_path / "runs")
    assert len(found) == 40
    assert all(result["status"] == "finished" for result in found)
    assert {result["threads"] for result in found} == {max(1, len(os.sched_getaffinity(0)) // 2)}
    for path in (tmp_path / "runs").rglob("identity.json"):
        epochs = trained(path.parent)
        assert set(epochs) == {"1", "2"}
        assert len(epochs) <= 3
    again = study(*acts, "--trainer.max_epochs", "2")
    assert again.code == 0
    assert again.err == "40 of 40 runs were done before\n"
    assert again.out.splitlines()[:5] == outcome.out.splitlines()[:5]


def test_a_study_of_the_classifier_ranks_the_most_accurate_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    runs = tmp_path / "runs"
    code = compare.main(
        [
            *("--experiment", "classifier", "--act", "sigmoid", "relu", "--baseline", "none"),
            *("--seed", "0-1", "--lr", "0.01", "0.1", "--runs", str(runs), "--workers", "2"),
            *("--config", str(CONFIGS / "classifier" / "smoke.yaml")),
            *("--model.name", "mlp", "--model.hidden", "32", "16"),
        ]
    )
    table = capsys.readouterr().out.splitlines()[:3]
    assert code == 0
    found = results(runs)
    assert {(each["act"], each["seed"], each["config"]["optimizer"]["lr"]) for each in found} == {
        (act, seed, lr) for act in ("relu", "sigmoid") for seed in (0, 1) for lr in (0.01, 0.1)
    }

    def means(act: str, part: str) -> dict[float, float]:
        name = f"{part}_accuracy"
        own = [each for each in found if each["act"] == act]
        return {
            lr: sum(each[name] for each in own if each["config"]["optimizer"]["lr"] == lr) / 2
            for lr in (0.01, 0.1)
        }

    best = {act: max((0.01, 0.1), key=means(act, "val").__getitem__) for act in ("relu", "sigmoid")}
    scores = {act: means(act, "test")[best[act]] for act in best}
    assert scores["relu"] > scores["sigmoid"]
    cells = [re.split(r"\s{2,}", line) for line in table]
    assert cells[0] == ["activation", "learning rate", "runs", "test accuracy: mean ± sd", "values"]
    for row, act in zip(cells[1:], ("relu", "sigmoid"), strict=True):
        assert row[:3] == [act, f"{best[act]:g} (edge)", "2"]
        assert row[3].startswith(f"{scores[act]:.5f} ± ")
    assert report.main([str(runs / "classifier"), "--metric", "test_accuracy"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:3]] == list(best)


@pytest.mark.parametrize("experiment", BUILT_IN)
def test_a_failure_has_the_figures_of_its_experiment(tmp_path: Path, experiment: str):
    """Whether a run or its worker failed, the record has the same keys for them."""
    words = ("--experiment", experiment, "--act", "relu", "--baseline", "none")
    (job,) = planned(*words)
    record = scheduler.failure(scheduler.State(job), "it is lost", "a command")
    figures = {name for name in record if name.startswith(("test_", "val_"))}
    metrics = named(experiment).metrics
    assert figures == {f"{part}_{name}" for part in ("test", "val") for name in metrics}
    assert all(record[name] is None for name in figures)


def test_the_runs_are_those_of_the_experiments_command(study: Study, tmp_path: Path, run: Command):
    """The same directories, losses and files; and what is done is done for both."""
    settings = ("--model.channels", "2", "--trainer.max_epochs", "2", "--data.limit", "64")
    assert study(*ONE, "--config", str(CONFIGS / "smoke.yaml"), *settings).code == 0
    directory = tmp_path / "runs" / "autoencoder" / "relu" / "seed0"
    assert run("relu", tmp_path / "alone", "--baseline", "none", *settings).code == 0
    alone = tmp_path / "alone" / "autoencoder" / "relu" / "seed0"
    for name in ("identity.json", "config.yaml"):
        assert (directory / name).read_bytes() == (alone / name).read_bytes()

    def losses(path: Path) -> list[float]:
        names = ("loss/train", "loss/val", "loss/test")
        return [row[name] for row in read_metrics(path / "metrics.csv") for name in names]

    assert losses(directory) == pytest.approx(losses(alone), rel=1e-4)
    assert {re.sub(r"tfevents.*", "tfevents", path.name) for path in directory.iterdir()} == {
        re.sub(r"tfevents.*", "tfevents", path.name) for path in alone.iterdir()
    }
    again = run("relu", tmp_path / "runs", "--baseline", "none", *settings)
    assert "done before" in again.err


def test_a_plan_is_shown_and_nothing_done(study: Study, tmp_path: Path):
    options = ("--act", "relu", "--seed", "0-1", "--lr", "1e-3")
    outcome = study(*options, "--dry_run")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[:2] == [
        "to run           linear, seed 0, learning rate 0.001",
        "to run           relu, seed 0, learning rate 0.001",
    ]
    assert lines[4] == "4 runs, 4 left: no run has finished yet to estimate the time from"
    assert not (tmp_path / "runs").exists()
    assert study(*options, "--seed", "0").code == 0
    (tmp_path / "runs" / "autoencoder" / "relu" / "seed0" / "result.json").unlink()
    lines = study(*options, "--dry_run").out.splitlines()
    assert lines[0] == "finished before  linear, seed 0, learning rate 0.001"
    assert lines[1] == "to go on         relu, seed 0, learning rate 0.001"
    assert re.fullmatch(r"4 runs, 3 left: about \d+ s, with 2 at a time, by those .*", lines[4])


def test_what_diverges_raises_or_dies_does_not_stop_the_others(
    study: Study, tmp_path: Path, mine: tuple[str, str]
):
    file, name = mine
    acts = [f"{name}_nan", f"{name}_raises", f"{name}_dies", "relu"]
    options = ("--act", *acts, *ONE[2:], "--import", file)
    outcome = study(*options)
    assert outcome.code == 1
    found = {result["act"]: result for result in results(tmp_path / "runs")}
    assert {act: result["status"] for act, result in found.items()} == {
        acts[0]: "diverged", acts[1]: "failed", acts[2]: "failed", "relu": "finished",
    }  # fmt: skip
    killed = f"its process was killed by SIGKILL, {scheduler.ATTEMPTS} times"
    assert found[acts[2]]["message"] == killed
    assert outcome.err.count("it is tried again") == scheduler.ATTEMPTS - 1
    for text in (
        f"{acts[0]}, seed 0, learning rate 0.001 diverged: the training loss is nan in epoch 1",
        f"{acts[1]}, seed 0, learning rate 0.001 failed: RuntimeError: it does not work",
        "  | RuntimeError: it does not work",
        f"{acts[2]}, seed 0, learning rate 0.001 failed: {killed}",
    ):
        assert text in outcome.out
    assert "Traceback" not in outcome.err
    again = study(*options)  # failures are tried again, divergences are results
    assert again.err.startswith("2 of 4 runs were done before\n")
    assert again.code == 1


# Workers import it, each into a process of its own.
FULL_DISK = """
import errno, multiprocessing, os
from experiments.common import files
from experiments.training import metrics

if multiprocessing.parent_process() is not None:
    write = files.write

    def full(path, text):
        if os.path.exists({disk!r}) and (path.parent.parent.name, path.name) in {files!r}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, text)

    files.write = metrics.write = full
"""


def test_a_full_disk_fails_the_run_that_met_it(study: Study, tmp_path: Path):
    options = ("--act", "relu", "gelu", "cantor2", *ONE[2:])
    jobs = planned(*STUDY, *options)
    first, second, _ = jobs
    files = [(first.run.act, "metrics.csv"), (second.run.act, "result.json")]
    disk = tmp_path / "disk_is_full"
    disk.touch()
    (tmp_path / "full.py").write_text(FULL_DISK.format(disk=str(disk), files=files))
    options += ("--import", str(tmp_path / "full.py"))
    outcome = study(*options)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["failed", "failed", "finished"]
    for job in (first, second):
        line = f"{job.name} failed: OSError: [Errno 28] No space left on device"
        assert any(each.startswith(line) for each in lines)
    disk.unlink()
    assert study(*options).code == 0  # there is space again
    assert len(results(tmp_path / "runs")) == 3


def test_two_studies_in_one_folder_share_the_work(tmp_path: Path):
    runs = tmp_path / "runs"
    options = ("--workers", "2", "--seed", "0-2", "--lr", "1e-3")
    command = [*COMMAND, "--runs", str(runs), *options]
    both = [
        subprocess.Popen(command, cwd=CONFIGS.parent, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(results(runs)) == 12
    for path in runs.rglob("identity.json"):
        assert trained(path.parent) == ["1"]
    tables = [out.splitlines()[:5] for out, _ in outputs]
    assert tables[0] == tables[1]


def test_a_run_that_another_process_has_is_waited_for(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    jobs = planned(*STUDY, *ONE)
    (job,) = jobs
    directory = job.run.create(tmp_path / "runs", "")
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, pathlib; from experiments.runs.run import held\n"
            f"with held(pathlib.Path({str(directory)!r})): print('held', flush=True); input()",
        ],
        cwd=CONFIGS.parent, stdin=-1, stdout=-1, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    began = []

    def begin(state: scheduler.State, *rest: Any) -> None:
        original(state, *rest)
        began.append((state.job.run.act, state.status))
        if len(began) == 4:
            holder.kill()  # the system lets go of the run for it
            holder.communicate()

    original = scheduler.begin
    monkeypatch.setattr(scheduler, "begin", begin)
    outcome = study(*ONE, "--act", "relu", "gelu")
    assert outcome.code == 0
    elsewhere = "relu, seed 0, learning rate 0.001: another process is training it"
    assert outcome.err.count(elsewhere) == 1
    assert began[:2] == [("relu", "elsewhere"), ("gelu", "running")]
    assert began[-1] == ("relu", "running")
    assert trained(directory) == ["1"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "stopped by SIGTERM")],
)
def test_a_signal_stops_all_and_the_same_command_goes_on(
    study: Study, tmp_path: Path, mine: tuple[str, str], number: int, words: str
):
    file, name = mine
    options = ["--act", f"{name}_slow", *ONE[2:], "--seed", "0-2", "--import", file]
    options += ["--trainer.max_epochs", "6"]
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [*COMMAND, "--workers", "2", *options, "--runs", str(runs)],
        cwd=CONFIGS.parent, stdout=-1, stderr=-1, text=True, start_new_session=True,
        # Where the tests are in the background of a shell, all of them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while len(below(runs, "last.ckpt")) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, number)  # as a terminal or a cluster does: to all of them
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert out == ""
    assert err == f"{words}: the same command goes on from there\n"
    deadline = time.monotonic() + 120
    while alive(process.pid):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.05)
    directories = sorted((runs / "autoencoder" / f"{name}_slow").iterdir())
    assert [path.name for path in directories] == ["seed0", "seed1"]
    assert not list(runs.rglob("result.json"))
    outcome = study(*options)
    assert outcome.code == 0
    assert len(results(runs)) == 3
    for directory in directories:
        # They were stopped after a step, and lost none.
        assert "resumed after epoch" in (directory / "log.txt").read_text()
        assert trained(directory) == list("123456")


def test_workers_end_with_a_study_that_is_killed(tmp_path: Path, mine: tuple[str, str]):
    file, name = mine
    options = ["--act", f"{name}_slow", *ONE[2:], "--import", file]
    options += ["--trainer.max_epochs", "1000"]
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [*COMMAND, *options, "--runs", str(runs)],
        cwd=CONFIGS.parent, stdout=-1, stderr=-1, start_new_session=True,
    )  # fmt: skip
    while not below(runs, "last.ckpt"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=300)
    deadline = time.monotonic() + 120
    while alive(process.pid):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.05)
    (directory,) = (path.parent for path in runs.rglob("identity.json"))
    with held(directory, wait=False):
        pass


def alive(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_on_a_terminal_a_table_is_kept_up_to_date():
    jobs = planned(*STUDY, *ONE, "--seed", "0-3")
    states = [scheduler.State(job) for job in jobs]
    for state, status in zip(states, ("finished", "diverged"), strict=False):
        state.end({"status": status, "seconds": 90.0, "message": None})
    states[2].status = "running"
    table = live_table(states, slots=2)
    assert table.title == "2 of 4 runs have ended, 1.5 min left"
    cells = {str(column.header): list(column.cells) for column in table.columns}
    assert cells == {
        "activation": ["relu"], "finished": ["1"], "running": ["1"], "diverged": ["1"],
        "waiting": ["1"], "now": ["seed 2: 0/1"],
    }  # fmt: skip


def test_the_live_table_is_drawn_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "100")
    jobs = planned(*STUDY, *ONE)
    (state,) = (scheduler.State(job) for job in jobs)
    with progress([state], 1, terminal=True) as show:
        state.end({"status": "finished", "seconds": 3.0})
        show(state)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1 of 1 runs have ended" in captured.err


def test_runs_that_cannot_be_kept(study: Study, tmp_path: Path):
    (tmp_path / "runs").write_text("precious")
    outcome = study(*ONE)
    assert outcome.code == 2
    assert outcome.err == f"error: cannot keep runs in {tmp_path / 'runs'}: File exists\n"
    assert (tmp_path / "runs").read_text() == "precious"


def test_a_damaged_result_is_named_and_left_alone(study: Study, tmp_path: Path):
    assert study(*ONE).code == 0
    path = tmp_path / "runs" / "autoencoder" / "relu" / "seed0" / "result.json"
    path.write_text("{")
    outcome = study(*ONE)
    assert outcome.code == 2
    assert f"{path} is damaged" in outcome.err
    assert path.read_text() == "{"


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Whatever happens, no worker outlives its study."""
    import multiprocessing

    yield
    assert multiprocessing.active_children() == []
