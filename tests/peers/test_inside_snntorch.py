"""Pairs as `spike_grad=` of snnTorch's neurons."""

from __future__ import annotations

from typing import Any, cast

import pytest
import snntorch
import torch
import torch.nn.functional as F
from snntorch import utils
from torch import Tensor, nn

import surrogate
from tests.training import losses

NEURONS = {
    "Leaky": lambda pair: snntorch.Leaky(beta=0.9, spike_grad=pair, init_hidden=True),
    "Lapicque": lambda pair: snntorch.Lapicque(
        beta=cast(Any, 0.9), spike_grad=pair, init_hidden=True
    ),
    "Synaptic": lambda pair: snntorch.Synaptic(
        alpha=0.5, beta=0.9, spike_grad=pair, init_hidden=True
    ),
    "Alpha": lambda pair: snntorch.Alpha(alpha=0.9, beta=0.8, spike_grad=pair, init_hidden=True),
    "RLeaky": lambda pair: snntorch.RLeaky(
        beta=0.9, spike_grad=pair, init_hidden=True, all_to_all=False
    ),
}


def test_one_step_reports_the_derivative_of_the_pair() -> None:
    pair = surrogate.get("Heaviside() / Blurred(width=0.3)")
    neuron = snntorch.Leaky(beta=0.9, threshold=0.7, spike_grad=pair)
    x = torch.linspace(-2, 3, 41).reshape(1, -1).requires_grad_()
    spikes, _ = neuron(x, torch.zeros(1, 41))
    (gradient,) = torch.autograd.grad(spikes.sum(), x)
    potential = x.detach() - neuron.threshold
    assert torch.equal(spikes, (potential > 0).float())
    density = torch.exp(-0.5 * (potential / 0.3) ** 2) / (0.3 * (2 * torch.pi) ** 0.5)
    torch.testing.assert_close(gradient, density, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NEURONS)
def test_a_network_of_spikes_trains(name: str) -> None:
    make = NEURONS[name]
    pair = surrogate.get("heaviside_blurred")
    net = nn.Sequential(nn.Linear(4, 16), make(pair), nn.Linear(16, 2))
    x, labels = torch.rand(16, 4) * 2, torch.arange(16) % 2
    x[labels == 1] *= -0.5

    def loss() -> Tensor:
        utils.reset(net)
        return F.cross_entropy(torch.stack([net(x) for _ in range(5)]).mean(0), labels)

    found = losses(net, loss, 25, 5e-2)
    assert found[-1] < 0.8 * found[0]
    assert net.eval()(x).isfinite().all()


def test_a_spike_grad_is_found_and_replaced_by_name() -> None:
    net = nn.Sequential(nn.Linear(2, 2), snntorch.Leaky(beta=0.9, spike_grad=surrogate.get("relu")))
    keys = list(net.state_dict())
    swapped = surrogate.swap(net, {"*.spike_grad": "heaviside_blurred"})
    assert [each.names for each in swapped.replaced] == [("1.spike_grad",)]
    assert list(net.state_dict()) == keys
