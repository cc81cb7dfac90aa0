"""Pairs as `surrogate_function=` of SpikingJelly's neurons."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

import surrogate
from tests.training import losses

PAIR = "Heaviside(at_zero=1) / Blurred(width=0.5)"


def pair() -> Any:  # the annotations of SpikingJelly name its own class
    return surrogate.get(PAIR)


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("training", [True, False])
def test_one_step_reports_the_derivative_of_the_pair(step_mode: str, training: bool) -> None:
    node = neuron.IFNode(surrogate_function=pair(), step_mode=step_mode, detach_reset=True).train(
        training
    )
    x = torch.linspace(-2, 3, 41).requires_grad_()
    spikes = node(x if step_mode == "s" else x[None])
    (gradient,) = torch.autograd.grad(spikes.sum(), x)
    potential = x.detach() - 1
    assert torch.equal(spikes.flatten(), (potential >= 0).float())
    density = torch.exp(-0.5 * (potential / 0.5) ** 2) / (0.5 * (2 * torch.pi) ** 0.5)
    torch.testing.assert_close(gradient, density, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("kind", [neuron.IFNode, neuron.LIFNode, neuron.ParametricLIFNode])
def test_a_network_of_spikes_trains(kind: type[nn.Module], step_mode: str) -> None:
    net = nn.Sequential(layer.Linear(4, 16), kind(surrogate_function=pair()), layer.Linear(16, 2))
    functional.set_step_mode(net, step_mode)
    x, labels = torch.rand(16, 4) * 2, torch.arange(16) % 2
    x[labels == 1] *= -0.5

    def logits() -> Tensor:
        functional.reset_net(net)
        if step_mode == "m":
            return net(x.expand(5, 16, 4)).mean(0)
        return torch.stack([net(x) for _ in range(5)]).mean(0)

    found = losses(net, lambda: F.cross_entropy(logits(), labels), 25)
    assert found[-1] < 0.8 * found[0]
    trained = logits()
    torch.testing.assert_close(net.eval() and logits(), trained)
    functional.reset_net(net)
    assert list(copy.deepcopy(net).state_dict()) == list(net.state_dict())


def test_both_step_modes_have_the_same_gradients() -> None:
    x = torch.rand(5, 3, 4) * 3
    gradients = []
    for step_mode in ("s", "m"):
        node = neuron.LIFNode(surrogate_function=pair(), step_mode=step_mode)
        at = x.clone().requires_grad_()
        spikes = node(at) if step_mode == "m" else torch.stack([node(step) for step in at])
        gradients.append(torch.autograd.grad(spikes.sum(), at)[0])
    torch.testing.assert_close(*gradients)
