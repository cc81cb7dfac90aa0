"""Where a training that diverged first left the finite numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import surrogate
from experiments.training.divergence import first_not_finite


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4), surrogate.get("relu"), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)
    )


def forward(each: nn.Module) -> Tensor:
    return each(torch.ones(2, 3)).sum()


@pytest.mark.parametrize("layer", [0, 2, 4])
def test_an_output_that_overflows_is_named_by_its_layer(layer: int) -> None:
    broken = network()
    with torch.no_grad():
        broken[layer].weight.fill_(3e38)  # type: ignore[union-attr]
        if layer:
            broken[layer - 1] = nn.Softplus(beta=1e-2)  # of which all outputs are far above 1
    expected = f"the first value that is not finite is the output of {layer}"
    assert first_not_finite(broken, forward) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_is_not_finite_from_a_layer_on_towards_the_input(value: float) -> None:
    """A derivative that reports NaN or infinity breaks all layers before it, in one step."""
    broken = network()
    broken[1] = surrogate.SurrogateActivation(torch.neg, lambda x: torch.full_like(x, value))
    broken[3] = nn.Identity()
    optimizer = torch.optim.SGD(broken.parameters(), lr=0.1)
    forward(broken).backward()
    optimizer.step()
    assert not math.isfinite(forward(broken).item())
    expected = "the first gradient that was not finite is that of 0, in the step before"
    assert first_not_finite(broken, forward) == expected


def test_the_network_is_left_alone_and_what_is_finite_is_said_to_be() -> None:
    sound = network()
    before = {name: value.clone() for name, value in sound.state_dict().items()}
    assert first_not_finite(sound, forward) == "the output of every layer is finite"
    assert all(torch.equal(value, before[name]) for name, value in sound.state_dict().items())
    assert not any(module._forward_hooks for module in sound.modules())
