"""Lightning's Trainer, with nothing on that we do ourselves."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Trainer


def make_trainer(options: Mapping[str, Any], **extra: Any) -> Trainer:
    """Lightning's Trainer, with nothing on that we do ourselves."""
    with quiet():
        return Trainer(
            **options,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_model_summary=False,
            **extra,
        )


def check_trainer_options(options: Mapping[str, Any]) -> None:
    """Raises what the Trainer raises for options that this machine cannot meet."""
    make_trainer(options, logger=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's notices and tips, and the warnings that nobody can act on."""
    loggers = [
        (logging.getLogger("lightning.pytorch"), logging.WARNING),
        (logging.getLogger("lightning.fabric"), logging.WARNING),
        (logging.getLogger("lightning.pytorch.loggers.mlflow"), logging.ERROR),  # a new file
        (logging.getLogger("torch.utils.cpp_extension"), logging.ERROR),  # "no CUDA", compiling
    ]
    levels = [logger.level for logger, _ in loggers]
    for logger, level in loggers:
        logger.setLevel(level)
    try:
        with warnings.catch_warnings():
            # Advice that does not apply to images in memory, and Lightning's use of torch.
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated.*")
            yield
    finally:
        for (logger, _), level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
