from __future__ import annotations

import math

import pytest
import torch

from experiments.training.optimization import OPTIMIZERS, make_optimizer, one_cycle


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([1.0, -2.0]))


def cosine(start: float, end: float, share: float) -> float:
    return start + (end - start) * (1 - math.cos(math.pi * share)) / 2


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("steps", "rise"), [(40, 0.5), (100, 0.3), (7, 0.5)])
def test_one_cycle_is_two_cosines(name: str, steps: int, rise: float):
    optimizer = make_optimizer([parameter()], {"name": name, "lr": 0.02})
    schedule = one_cycle(optimizer, rise, steps)
    top = rise * steps - 1
    for step in range(steps):
        if step <= top:
            rate, momentum = cosine(0.002, 0.02, step / top), cosine(0.95, 0.85, step / top)
        else:
            share = (step - top) / (steps - 1 - top)
            rate, momentum = cosine(0.02, 0.02 / 1e5, share), cosine(0.85, 0.95, share)
        group = optimizer.param_groups[0]
        assert group["lr"] == pytest.approx(rate, rel=1e-9)
        found = group["momentum"] if name == "sgd" else group["betas"][0]
        assert found == pytest.approx(momentum, rel=1e-9)
        optimizer.step()
        schedule.step()


def test_options_reach_the_optimiser_and_what_is_not_given_is_pytorchs():
    optimizer = make_optimizer(
        [parameter()],
        {"name": "adamw", "lr": 0.1, "betas": [0.9, 0.99], "eps": None, "momentum": None},
    )
    assert type(optimizer) is torch.optim.AdamW
    group = optimizer.param_groups[0]
    assert (group["lr"], tuple(group["betas"])) == (0.1, (0.9, 0.99))
    assert (group["eps"], group["weight_decay"]) == (1e-8, 1e-2)


def test_decoupled_weight_decay_is_taken_off_the_weights():
    weights = parameter()
    options = {"name": "adamw", "lr": 0.1, "weight_decay": 0.5}
    optimizer = make_optimizer([weights], options)
    weights.grad = torch.zeros(2)
    optimizer.step()
    assert weights.tolist() == pytest.approx([0.95, -1.9])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "adam", "momentum": 0.9}, "optimizer.momentum is no option of adam"),
        ({"name": "sgd", "betas": [0.9, 0.9]}, "optimizer.betas is no option of sgd"),
        ({"name": "adam", "betas": [0.9, 1.5]}, "Invalid beta"),
        ({"name": "sgd", "nesterov": True}, "Nesterov"),
    ],
)
def test_what_does_not_fit_the_optimiser(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        make_optimizer([parameter()], {"lr": 0.1, **options})


@pytest.mark.parametrize(("rise", "steps"), [(0.5, 2), (0.25, 4), (0.5, 1)])
def test_one_cycle_needs_steps_to_rise(rise: float, steps: int):
    optimizer = make_optimizer([parameter()], {"name": "adam", "lr": 0.1})
    with pytest.raises(ValueError, match=f"schedule.rise is {rise:g} of {steps}"):
        one_cycle(optimizer, rise, steps)
