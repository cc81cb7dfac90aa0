"""The same training in other people's ways, to be compared with the command.

    python -m experiments.benchmark.loops bare --channels 16 --images 9600 --epochs 2

prints the seconds of the last epoch: training, and the losses of the validation and test images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

import surrogate
from experiments.tasks.data.fashion_mnist import FashionMNIST
from experiments.tasks.networks.autoencoder import Autoencoder

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("way", choices=("bare", "seeds"))
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--images", type=int, default=9600)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    network = Autoencoder("relu", given.channels)
    if given.way == "seeds":
        surrogate.swap(network, {surrogate.SurrogateActivation: nn.ReLU})
    data = FashionMNIST(limit=given.images, batch_size=BATCH)
    parts = {name: getattr(data, name).images for name in ("train", "val", "test")}
    batches = {"bare": in_memory, "seeds": one_by_one}[given.way]
    print(seconds_of_last_epoch(network, parts, batches, given.epochs))


def seconds_of_last_epoch(
    network: Autoencoder,
    parts: dict[str, Tensor],
    batches: Callable[[Tensor, bool], Iterable[Tensor]],
    epochs: int,
) -> float:
    """An ordinary loop: eager, float32, Adam."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    labels = torch.zeros(0)
    seconds = 0.0
    for _ in range(epochs):
        started = time.perf_counter()
        network.train()
        for images in batches(parts["train"], True):
            optimizer.zero_grad()
            network.loss(images, labels).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            for name in ("val", "test"):
                for images in batches(parts[name], False):
                    network.loss(images, labels).item()
        seconds = time.perf_counter() - started
    return seconds


def in_memory(images: Tensor, shuffled: bool) -> Iterable[Tensor]:
    """Batches of a tensor of bytes."""
    order = torch.randperm(len(images)) if shuffled else torch.arange(len(images))
    for rows in order.split(BATCH):
        yield images[rows].float() / 255


def one_by_one(images: Tensor, shuffled: bool) -> Iterable[Tensor]:
    """As torchvision's data sets are read: each image through PIL, and collated."""
    from PIL import Image
    from torchvision.transforms import ToTensor

    to_tensor = ToTensor()

    class Images(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> Any:
            return to_tensor(Image.fromarray(images[index, 0].numpy()))

    yield from torch.utils.data.DataLoader(Images(), BATCH, shuffle=shuffled)


if __name__ == "__main__":
    main()
