"""How processes that train together share the batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.tasks.data import Batches, EpochShuffle

SIZES = st.integers(2, 60)
PROCESSES = st.integers(1, 4)


def shares(size: int, batch_size: int, processes: int, **options) -> list[list[list[int]]]:
    """Of each process, its batches."""
    each = [
        Batches(range(size), batch_size, process=process, processes=processes, **options)
        for process in range(processes)
    ]
    assert all(len(batches) == len(list(batches)) for batches in each)
    return [list(batches) for batches in each]


@given(SIZES, st.integers(1, 8), PROCESSES)
def test_all_images_are_measured_once(size: int, factor: int, processes: int):
    size = max(size, processes)
    found = shares(size, factor * processes, processes)
    assert sorted(i for batches in found for batch in batches for i in batch) == [*range(size)]
    assert len({len(batches) for batches in found}) == 1  # they wait for each other at each
    assert all(batch for batches in found for batch in batches)


@given(SIZES, st.integers(1, 8), PROCESSES, st.booleans())
def test_training_batches_are_those_of_one_process(size, factor, processes, drop_last):
    options = {"shuffle": EpochShuffle(size, 5), "drop_last": drop_last}
    batch_size = factor * processes
    found = shares(size, batch_size, processes, **options)
    order = list(options["shuffle"])
    whole = [order[i : i + batch_size] for i in range(0, size, batch_size)]
    for place, together in enumerate(zip(*found, strict=True)):
        lengths = {len(share) for share in together}
        assert len(lengths) == 1
        full = len(whole[place]) == batch_size
        left_out = 0 if full else len(whole[place]) % processes
        trained = whole[place][: len(whole[place]) - left_out]
        assert sorted(i for share in together for i in share) == sorted(trained)
        assert full or (not drop_last and lengths.pop() >= 2)
    left_out = size - sum(len(batch) for batches in found for batch in batches)
    assert left_out < max(2 * processes, batch_size if drop_last else 0)


@pytest.mark.parametrize(("drop_last", "lengths"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_a_last_batch_that_is_not_full(drop_last: bool, lengths: list[int]):
    [batches] = shares(10, 4, 1, shuffle=EpochShuffle(10, 0), drop_last=drop_last)
    assert [len(batch) for batch in batches] == lengths


def test_a_last_image_alone_is_not_trained_on_but_measured():
    [batches] = shares(9, 4, 1, shuffle=EpochShuffle(9, 0))
    assert [len(batch) for batch in batches] == [4, 4]
    assert shares(9, 4, 1) == [[[0, 1, 2, 3], [4, 5, 6, 7], [8]]]
    # Two processes cannot share it: it is measured with the batch before.
    assert shares(9, 4, 2) == [[[0, 2], [4, 6, 8]], [[1, 3], [5, 7]]]
