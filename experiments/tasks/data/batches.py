"""In which order images are taken, and how the processes that train together share them."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
from torch.utils.data import BatchSampler, Sampler, SequentialSampler


class EpochShuffle(Sampler[int]):
    """A new order each epoch, a function of (seed, epoch) alone.

    Neither the activation's random draws nor where a run was resumed can change it.
    Lightning calls `set_epoch`.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        return iter(order.tolist())


class Batches(BatchSampler):
    """One process's share of each batch: every `processes`-th image of it.

    The batches are the same for any number of processes, and every process has as many of them,
    none of them empty. Where images are left over, those to be measured are spread as evenly as
    may be; those to be trained on must come out even, each process with as many as any other and
    with two at least (BatchNorm cannot train on one), or else the odd ones are left out.

    Args:
        images: what the batches are of.
        batch_size: images per batch, those of all processes together.
        shuffle: the order in which to train; without one, the images are measured in their order.
        drop_last: leave out a last batch that is not full.
        process: number of this process.
        processes: how many there are.
    """

    def __init__(
        self,
        images: Sized,
        batch_size: int,
        shuffle: EpochShuffle | None = None,
        drop_last: bool = False,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(shuffle or SequentialSampler(images), batch_size, drop_last)
        self.process = process
        self.processes = processes
        size = len(images)
        ends = [*range(batch_size, size + 1, batch_size)]
        rest = size - (ends[-1] if ends else 0)
        if shuffle is not None:
            rest -= rest % processes
            if rest >= 2 * processes and not drop_last:
                ends.append(size - size % batch_size + rest)
        elif rest >= processes or (rest and not ends):
            ends.append(size)
        elif rest:  # too few for all: with the batch before
            ends[-1] = size
        self.ends = ends
        self.first = 0  # the batch to begin with, where an epoch is gone on with

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        spans = [*zip([0, *self.ends], self.ends, strict=False)]
        for start, end in spans[self.first :]:
            yield order[start:end][self.process :: self.processes]
