"""What every data set offers: images to train on, held-out ones for validation, and the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from experiments.common.errors import DataError
from experiments.tasks.data.batches import Batches, EpochShuffle

SPLIT_SEED = 0  # of the held-out validation images: the same ones in every run


class Part(Dataset[tuple[Tensor, Tensor]]):
    """One of the three parts of a data set: images with values from 0 to 1, and their labels."""

    def __len__(self) -> int:
        raise NotImplementedError

    def in_training(self, shuffle: EpochShuffle) -> Part:
        """The part to train on: where images are changed at random, as the shuffle decides."""
        return self


Kind = TypeVar("Kind", bound=Part)


class Images(Generic[Kind]):
    """The three parts of a data set, and their batches.

    Args:
        train: what to train on.
        val: the validation images, held out of those that are published for training.
        test: the images that are published for measuring.
        shape: channels, height and width of an image.
        classes: number of classes.
        batch_size: images per batch, those of all processes together.
        drop_last: leave out a last training batch that is not full.
        workers: processes that load images; 0 loads them in the training process.
    """

    incidental: ClassVar[frozenset[str]] = frozenset({"root", "workers"})
    """The options that cannot change a result."""

    def __init__(
        self,
        train: Kind,
        val: Kind,
        test: Kind,
        shape: tuple[int, int, int],
        classes: int,
        batch_size: int,
        drop_last: bool,
        workers: int = 0,
    ) -> None:
        self.train = train
        self.val = val
        self.test = test
        self.shape = shape
        self.classes = classes
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.workers = workers
        if drop_last and len(train) < batch_size:
            raise DataError(
                f"data.drop_last leaves out all {len(train)} images to train on: "
                f"data.batch_size is {batch_size}"
            )

    def train_loader(self, seed: int, process: int = 0, processes: int = 1) -> DataLoader[Any]:
        """Batches for training, in the order that `seed` and the epoch give."""
        shuffle = EpochShuffle(len(self.train), seed)
        images = self.train.in_training(shuffle)
        return self._loader(
            images, Batches(images, self.batch_size, shuffle, self.drop_last, process, processes)
        )

    def eval_loader(self, images: Part, process: int = 0, processes: int = 1) -> DataLoader[Any]:
        """Batches of `val` or `test`, in the order of the files."""
        return self._loader(
            images, Batches(images, self.batch_size, process=process, processes=processes)
        )

    def _loader(self, images: Part, batches: Batches) -> DataLoader[Any]:
        return Loader(
            images,
            batch_sampler=batches,
            num_workers=self.workers,
            collate_fn=as_is if isinstance(images, ImageSet) else None,
            generator=torch.Generator(),  # leaves torch's global one alone
        )


class ImageSet(Part):
    """Images (N, C, H, W) kept as bytes, and their labels; fetched a whole batch at a time."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        return self.images[indices].to(torch.float32) / 255, self.labels[indices]


class Loader(DataLoader[Any]):
    """Starts when the first batch is asked for, when Lightning has told the shuffle the epoch.

    Its state is the number of batches that have been taken: given to another one, that goes on
    behind them.
    """

    taken = 0
    _before = 0

    def state_dict(self) -> dict[str, int]:
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._before = state["taken"]

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.taken, self._before = self._before, 0
        assert isinstance(self.batch_sampler, Batches)
        self.batch_sampler.first = self.taken
        for batch in super().__iter__():
            self.taken += 1
            yield batch


def as_is(batch: Any) -> Any:
    """The collate function of a set that fetches whole batches."""
    return batch


def held_out(size: int, validation: int) -> tuple[np.ndarray, np.ndarray]:
    """Which images to train on, and which to hold out for validation: the same in every run."""
    if validation >= size:
        raise DataError(
            f"data.validation must be below {size}, the number of images to train on or to hold "
            f"out, got {validation}"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(size)
    return order[validation:], order[:validation]


def image_sets(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    validation: int,
    limit: int | None,
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """The three parts, of images (N, H, W) and labels in memory."""
    kept, held = (np.sort(each)[:limit] for each in held_out(len(train[0]), validation))
    parts = [(train, kept), (train, held), (test, np.arange(len(test[0]))[:limit])]
    first, second, third = (
        ImageSet(
            torch.tensor(images[chosen]).unsqueeze(1),
            torch.tensor(labels[chosen], dtype=torch.int64),
        )
        for (images, labels), chosen in parts
    )
    return first, second, third
