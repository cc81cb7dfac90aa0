"""A pair in a model that is trained by several processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn

import surrogate

NAMES = ["relu_directional", "relu_noisy", "cantor2", "staircase_blurred", "perlin4"]
PROCESSES = 2


def model(name: str) -> nn.Module:
    """The same weights in each process."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), surrogate.get(name), nn.Linear(8, 1))


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(16, 4, generator=generator), torch.randn(16, 1, generator=generator)


def gradients(net: nn.Module, x: Tensor, target: Tensor) -> list[Tensor]:
    nn.functional.mse_loss(net(x), target).backward()
    return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]


def train(rank: int, folder: Path) -> None:
    """One of the processes: a share of the data; rank 0 writes down the averaged gradients."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), PROCESSES)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=PROCESSES)
    x, target = data()
    share = slice(rank, None, PROCESSES)
    found = {
        name: gradients(nn.parallel.DistributedDataParallel(model(name)), x[share], target[share])
        for name in NAMES
    }
    if rank == 0:
        torch.save(found, folder / "gradients.pt")
    distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="torch was built without gloo")
def test_two_processes_get_the_gradients_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(train, (tmp_path,), nprocs=PROCESSES)
    found = torch.load(tmp_path / "gradients.pt", weights_only=True)
    for name in NAMES:
        expected = gradients(model(name), *data())
        assert len(expected) == 4
        assert all(gradient.any() for gradient in expected)
        torch.testing.assert_close(found[name], expected)
