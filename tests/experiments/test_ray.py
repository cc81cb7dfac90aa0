"""Studies carried out by a Ray cluster of two nodes, of which one is removed."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments import compare
from experiments.runs.run import Run
from experiments.studies import scheduler
from experiments.studies.engines import ray as engine
from experiments.studies.engines.base import Orders
from experiments.tasks.data import FashionMNIST
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import CONFIGS, planned, readme_file
from tests.experiments.test_compare import MINE, results, trained

pytestmark = pytest.mark.filterwarnings("default")  # Ray and what it imports have some

HELD = """
import os, time
import torch
import surrogate

def held(x):
    while os.path.exists({hold!r}):
        open({hold!r} + f"-{{os.getpid()}}", "w").close()
        time.sleep(0.01)
    return x

for letter in "abcd":
    pair = surrogate.SurrogateActivation(held, torch.ones_like)
    surrogate.register(lambda pair=pair: pair, name="held_on_ray_" + letter)
"""

STUDY = ("--config", str(CONFIGS / "studies" / "smoke.yaml"), "--engine", "ray")
NAME = "mine_on_ray"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason="Ray is an extra")
    from ray.cluster_utils import Cluster

    size: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 200 * 2**20}
    head = {**size, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**size)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE.format(name=NAME))
    return str(path)


class Removing(engine.Ray):
    """Removes a node in the midst of a study, while the runs on both nodes are held up."""

    cluster: Any
    hold: Path
    started = 0

    def start(self, run: Run, directory: Path) -> None:
        Removing.started += 1
        removing = Removing.started >= 18 and self.cluster.worker_nodes
        if removing:
            self.hold.touch()
        super().start(run, directory)
        if removing and len(self.tasks) == 2:
            ready: list[Any] = []
            while not ready and len(list(self.hold.parent.glob("hold-*"))) < 2:
                ready, _ = self.ray.wait([task.news for task in self.tasks], timeout=0.05)
            if not ready:  # else the next one is held up too
                (node,) = self.cluster.worker_nodes
                self.cluster.remove_node(node, allow_graceful=False)
                while not ready:  # its process could still finish the run
                    ready, _ = self.ray.wait([task.news for task in self.tasks], timeout=1)
                self.hold.unlink()


def test_forty_runs_survive_a_removed_node(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.setattr(engine, "Ray", Removing)
    monkeypatch.setattr(Removing, "cluster", cluster, raising=False)
    monkeypatch.setattr(Removing, "hold", tmp_path / "hold", raising=False)
    file, runs = tmp_path / "held.py", tmp_path / "runs"
    file.write_text(HELD.format(hold=str(tmp_path / "hold")))
    acts = ("--baseline", "held_on_ray_a", "--act", *(f"held_on_ray_{each}" for each in "bcd"))
    options = ("--address", cluster.address, "--runs", str(runs), "--import", str(file))
    assert compare.main([*STUDY, *acts, *options]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("its node or process was lost") == 1
    assert captured.err.count("it is tried again") == 1
    found = results(runs)
    assert len(found) == 40
    assert all(result["status"] == "finished" for result in found)
    assert {result["threads"] for result in found} == {1}
    for path in runs.rglob("identity.json"):
        assert trained(path.parent) == ["1"]  # a lost node takes its log with it
    assert list(runs.rglob(".*")) == []


def test_a_cut_off_run_goes_on_and_what_raises_or_dies_is_reported(
    cluster: Any, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.setattr(scheduler, "ATTEMPTS", 2)
    runs = tmp_path / "runs"
    study = STUDY[:2]
    one = ("--baseline", "none", "--seed", "0", "--lr", "1e-3", "--runs", str(runs))
    assert compare.main([*study, *one, "--act", "relu", "--trainer.max_epochs", "3"]) == 0
    directory = runs / "autoencoder" / "relu" / "seed0"
    before = read_metrics(directory / "metrics.csv")
    (directory / "result.json").unlink()
    acts = ("--act", "relu", f"{NAME}_raises", f"{NAME}_dies", "--import", file)
    options = ("--trainer.max_epochs", "3", "--address", cluster.address)
    capsys.readouterr()
    assert compare.main([*STUDY, *one, *acts, *options]) == 1
    captured = capsys.readouterr()
    assert "resumed after epoch 3" in (directory / "log.txt").read_text()
    assert read_metrics(directory / "metrics.csv") == before
    found = {result["act"]: result for result in results(runs)}
    assert found["relu"]["status"] == "finished"
    raises = runs / "autoencoder" / f"{NAME}_raises" / "seed0"
    assert found[f"{NAME}_raises"]["message"] == "RuntimeError: it does not work"
    assert "Traceback" in (raises / "log.txt").read_text()
    assert found[f"{NAME}_dies"]["message"].startswith("its node or process was lost")
    assert "  | RuntimeError: it does not work" in captured.out


def test_a_network_of_the_user_goes_to_the_nodes(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The README's: the file is sent along, and run before the network is made."""
    path, runs = readme_file("spiking.py", tmp_path), tmp_path / "runs"
    options = ("--import", str(path), "--experiment", "spiking", "--act", "heaviside_blurred")
    options += ("--baseline", "none", "--seed", "0-1", "--runs", str(runs), "--engine", "ray")
    options += ("--address", cluster.address, "--data.limit", "256", "--trainer.max_epochs", "1")
    assert compare.main(options) == 0
    assert [result["status"] for result in results(runs)] == ["finished"] * 2
    assert "heaviside_blurred" in capsys.readouterr().out


def test_files_come_back_after_epochs_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without Ray: what a node does."""
    from tests.experiments.test_compare import STUDY as LOCAL

    monkeypatch.setattr(engine, "PERIOD", 0.0)
    job = planned(*LOCAL, "--act", "relu", "--data.limit", "256", "--trainer.max_epochs", "3")[1]
    data = pickle.dumps(FashionMNIST(**job.run.config["data"]))
    orders = Orders("python -m …", (), threads=1, commit="a commit")
    *news, last = engine.carry_out_there(job.run, {"log.txt": b"before\n"}, data, orders)
    assert news
    for result, error, files in news:
        assert (result, error) == (None, "")
        assert "checkpoints/last.ckpt" in files
        assert "result.json" not in files
    result, error, files = last
    assert error == ""
    assert result is not None
    assert result["status"] == "finished"
    assert files["log.txt"].startswith(b"before\n")
    engine.write_files(tmp_path, files)
    assert len(read_metrics(tmp_path / "metrics.csv")) == 3
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert engine.read_files(tmp_path) == files
    # What was sent first is enough to go on from, elsewhere.
    *_, (again, _, others) = engine.carry_out_there(job.run, news[0][2], data, orders)
    assert again is not None
    assert again["test_loss"] == result["test_loss"]
    assert b"resumed after epoch" in others["log.txt"]


def test_without_ray_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert compare.main([*STUDY, "--runs", str(tmp_path / "runs")]) == 2
    message = "error: --engine ray needs Ray: pip install '.[ray]' in the project's folder\n"
    assert capsys.readouterr().err == message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no cluster answers at 127.0.0.1:1: Connection refused"),
        ("ray://127.0.0.1:10001", "is the host:port of its head node, or auto, got 'ray://"),
    ],
)
def test_a_cluster_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, message: str
):
    pytest.importorskip("ray", reason="Ray is an extra")
    options = ("--address", address, "--runs", str(tmp_path / "runs"))
    assert compare.main([*STUDY, *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "runs").exists()
