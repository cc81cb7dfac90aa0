from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import surrogate
from experiments.tasks.autoencoder import Reconstruction
from experiments.tasks.classifier import Classification
from experiments.training.layers import LayerStatistics, statistics
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import Command


def network(act: str) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), surrogate.get(act), nn.Flatten(), nn.Linear(16, 6), surrogate.get(act)
    ).double()


def batches() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(4)
    return [(torch.randn(n, 1, 4, 4).double(), torch.randint(6, (n,))) for n in (5, 2, 3)]


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "layers.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("act", ["gelu", "relu", "Staircase(step=0.5) / Blurred(width=0.3)"])
def test_they_are_what_a_slow_computation_says(act: str):
    net = network(act)
    found = statistics(net, Classification(), batches())
    assert list(found) == ["1", "4"]
    for site, layer in found.items():
        before, pair, after = net[: int(site)], net[int(site)], net[int(site) + 1 :]
        outputs, out, into = [], [], []
        for images, labels in batches():
            for image, label in zip(images, labels, strict=True):
                x = before(image[None]).detach().requires_grad_()
                y = pair(x)
                loss = nn.functional.cross_entropy(after(y), label[None])
                gradient_out, gradient_in = torch.autograd.grad(loss, (y, x))
                outputs.append(y.detach()[0])
                out.append(sum(each**2 for each in gradient_out.flatten().tolist()))
                into.append(sum(each**2 for each in gradient_in.flatten().tolist()))
        values = torch.stack(outputs).flatten().tolist()
        mean = sum(values) / len(values)
        std = math.sqrt(sum((each - mean) ** 2 for each in values) / len(values))
        assert layer.mean == pytest.approx(mean, rel=1e-9)
        assert layer.std == pytest.approx(std, rel=1e-9)
        near_zero = sum(-0.05 <= each <= 0.05 for each in values)
        assert layer.near_zero == pytest.approx(near_zero / len(values))
        assert layer.gradient_out == pytest.approx(math.sqrt(sum(out) / len(out)), rel=1e-9)
        assert layer.gradient_in == pytest.approx(math.sqrt(sum(into) / len(into)), rel=1e-9)
        by_neuron = torch.stack(outputs).transpose(0, 1).flatten(1).tolist()
        assert layer.neurons == len(by_neuron)
        assert layer.dead == sum(len(set(neuron)) == 1 for neuron in by_neuron)


def test_planted_dead_neurons_are_counted():
    net = network("relu")
    alive = statistics(net, Classification(), batches())
    with torch.no_grad():
        net[0].bias[[0, 2]] = -100.0  # type: ignore[index]
        net[3].bias[5] = -100.0  # type: ignore[index]
    dead = statistics(net, Classification(), batches())
    assert (alive["1"].dead, dead["1"].dead) == (0, 2)
    assert dead["4"].dead >= 1
    with torch.no_grad():
        net[0].weight.zero_()  # type: ignore[operator]  # all of the layer is
    assert statistics(net, Classification(), batches())["1"].dead == 4


def test_a_neuron_that_changes_between_batches_only_is_not_dead():
    net = nn.Sequential(nn.Linear(1, 1), surrogate.get("linear"))
    with torch.no_grad():
        net[0].weight.fill_(1.0)  # type: ignore[operator]
    loss = lambda network, images, labels: {"loss": network(images).sum()}
    same = [(torch.ones(2, 1), torch.zeros(2))] * 2
    assert statistics(net, loss, same)["1"].dead == 1
    other = [same[0], (2 * torch.ones(2, 1), torch.zeros(2))]
    assert statistics(net, loss, other)["1"].dead == 0


def test_vanishing_gradients_and_values_that_are_not_finite():
    found = statistics(network("cantor"), Classification(), batches())
    assert found["1"].gradient_out == found["1"].gradient_in == 0.0
    assert found["4"].gradient_out > found["4"].gradient_in == 0.0
    net = network("relu")
    with torch.no_grad():
        net[3].weight.fill_(math.inf)  # type: ignore[operator]
    broken = statistics(net, Classification(), batches())["4"]
    assert not math.isfinite(broken.mean)
    assert math.isnan(broken.std)


def test_nothing_is_left_on_the_network():
    net = network("relu")
    statistics(net, Classification(), batches())
    assert not any(module._forward_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_run_records_each_site_before_and_after_each_epoch(classify: Command, tmp_path: Path):
    assert classify("relu", tmp_path, "--model.hidden", "9", "5").code == 0
    directory = tmp_path / "classifier" / "relu" / "seed0"
    found = rows(directory)
    assert [(row["epoch"], row["site"], row["neurons"]) for row in found] == [
        (str(epoch), site, neurons)
        for epoch in (0, 1, 2)
        for site, neurons in (("3", "9"), ("5", "5"))
    ]
    events = EventAccumulator(str(directory)).Reload()
    logged = [(event.step, event.value) for event in events.Scalars("std/5")]
    expected = [(int(r["epoch"]), float(r["std"])) for r in found if r["site"] == "5"]
    assert logged == [(epoch, pytest.approx(std)) for epoch, std in expected]


def test_training_does_not_know_of_them(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With BatchNorm, whose running means must not move, and an activation that draws."""
    metrics = []
    for name in ("with", "without"):
        assert run("rrelu", tmp_path / name, "--baseline", "none").code == 0
        directory = tmp_path / name / "autoencoder" / "rrelu" / "seed0"
        assert (directory / "layers.csv").exists() == (name == "with")
        found = read_metrics(directory / "metrics.csv")
        metrics.append([{key: row[key] for key in row if key != "seconds"} for row in found])
        monkeypatch.setattr(LayerStatistics, "on_train_start", lambda *_: None)
        monkeypatch.setattr(LayerStatistics, "on_train_epoch_end", lambda *_: None)
    assert metrics[0] == metrics[1]


def test_the_autoencoders_loss_is_measured_too():
    from experiments.tasks.networks import Autoencoder

    net = Autoencoder("relu", channels=2, latent=2)
    found = statistics(net, Reconstruction(), [(torch.rand(4, 1, 28, 28), torch.zeros(4))])
    assert len(found) == 15
    assert all(layer.gradient_out > 0 for layer in found.values())
