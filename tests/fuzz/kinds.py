"""The kinds of cases: how one is made, what reads it, and which errors that documents."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from experiments.common.errors import DataError, UsageError
from tests.fuzz import files, texts


class Kind(NamedTuple):
    """What is fuzzed.

    Args:
        make: a case, of the generator that the number of the case seeds.
        read: what reads it.
        errors: those that it may answer with.
        wanted: how many cases there have to be.
    """

    make: Callable[[random.Random], Any]
    read: Callable[[Any], None]
    errors: tuple[type[Exception], ...]
    wanted: int = 10_000


KINDS = {
    "pair": Kind(texts.pair, texts.read_pair, (ValueError,), 100_000),
    "schedule": Kind(texts.schedule, texts.read_schedule, (ValueError,)),
    "config": Kind(files.config, files.read_config, (UsageError, ValueError)),
    "study": Kind(files.study_file, files.read_study, (UsageError, ValueError)),
    "result": Kind(files.result, files.read_result, ()),
    "idx": Kind(files.idx, files.read_idx, (DataError,)),
    "image": Kind(files.image, files.read_picture, (DataError,)),
    # Of torch.load: a run answers all of them with the status failed.
    "checkpoint": Kind(files.checkpoint, files.read_checkpoint, (Exception,)),
}
