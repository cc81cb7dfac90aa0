"""Trains the network of a run, from the start or from its last checkpoint."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar

from experiments.common.signals import StopRequest
from experiments.tasks import experiment as experiments
from experiments.tasks.data import Images
from experiments.training.callbacks import (
    BestCheckpoint,
    Curves,
    DivergedError,
    EpochSeed,
    EveryCheckpoint,
    LastCheckpoint,
)
from experiments.training.checkpoints import LAST, VerifiedFiles, newest
from experiments.training.layers import LayerStatistics
from experiments.training.loggers import HyperParameters, make_logger
from experiments.training.module import Loaders, Training
from experiments.training.trainer import make_trainer, quiet
from surrogate.core.fuse import require_compiler
from surrogate.training.lightning import AnnealCallback, ProbeCallback

log = logging.getLogger("experiments")


class Trained(Protocol):
    """What is trained: that of a run which the training has to know."""

    @property
    def experiment(self) -> str: ...
    @property
    def act(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def config(self) -> Mapping[str, Any]: ...


def train(
    run: Trained,
    directory: Path,
    data: Images[Any],
    progress_bar: bool,
    checkpoint_every: float,
    logger: str,
    first: bool = True,
) -> dict[str, Any]:
    """Trains, and returns how it went."""
    started = time.perf_counter()
    experiment = experiments.named(run.experiment)
    patience = run.config["stopping"]["patience"]
    curves = Curves(directory, experiment, patience)
    folder = directory / "checkpoints"
    probe = run.config.get("probe")
    status, message, earlier, parameters, device = "finished", None, 0.0, None, None
    try:
        checkpoint, state = newest(folder) or (None, None)
        if state is not None:
            curves.load_state_dict(state["callbacks"]["Curves"])
            earlier = sum(row["seconds"] for row in curves.rows) + curves.seconds
            step = state["callbacks"]["LastCheckpoint"]["step"]
            log.info("resumed after epoch %d%s", len(curves.rows), f", step {step}" if step else "")
        request = StopRequest()
        callbacks: list[Callback] = [
            EpochSeed(run.seed),
            curves,
            LayerStatistics(directory, data, run.seed),
            *([BestCheckpoint(folder / "best.ckpt", curves)] if patience else []),
            *([EveryCheckpoint(folder)] if "keep_checkpoints" in run.config else []),
            *([ProbeCallback(directory / "probe.npz", **probe)] if probe else []),
            HyperParameters(run.act, run.seed, run.config, curves),
        ]
        if "anneal" in run.config:
            callbacks.append(AnnealCallback(**run.config["anneal"]))
        if progress_bar:
            callbacks.append(TQDMProgressBar(leave=False))
        callbacks.append(LastCheckpoint(folder / LAST, checkpoint_every, request))
        first_step = len(curves.rows) + 1 if state else 0
        title = f"{run.act}, seed {run.seed}"
        trainer = make_trainer(
            run.config["trainer"],
            logger=first and make_logger(logger, directory, first_step, run.experiment, title),
            callbacks=callbacks,
            plugins=[VerifiedFiles()],
            enable_progress_bar=progress_bar,
        )
        device = device_name(trainer.strategy.root_device)
        training = Training(
            run.experiment,
            {"act": run.act, "seed": run.seed, **run.config["model"], **experiment.sizes(data)},
            run.config.get("loss", {}),
            dict(run.config["optimizer"]),
            dict(run.config["schedule"]),
            run.config.get("anneal", {}).get("schedules"),
        )
        parameters = sum(parameter.numel() for parameter in training.parameters())
        if run.config["channels_last"]:
            training.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if run.config["compile"] and can_compile():
            training.network.compile()
        with quiet(), request:
            trainer.fit(
                training,
                datamodule=Loaders(data, run.seed),
                ckpt_path=checkpoint,
                weights_only=True,
            )
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from None
    except DivergedError as error:
        status, message = "diverged", str(error)
        log.warning("%s diverged: %s", run.act, message)
    except Exception as error:  # whatever an activation raises must not end the others' runs
        status, message = "failed", f"{type(error).__name__}: {error}{advice(error)}"
        log.error("%s failed: %s", run.act, message.splitlines()[0])
        log.debug("%s", traceback.format_exc())
    chosen = curves.chosen if status == "finished" else None
    return {
        "status": status,
        "message": message,
        **{name: chosen and chosen[column] for name, column in experiment.figures.items()},
        "best_epoch": curves.best and curves.best["epoch"],
        "epochs": len(curves.rows),
        "seconds": round(earlier + time.perf_counter() - started, 3),
        "images_per_second": curves.images_per_second,
        "parameters": parameters,
        "device": device,
    }


def can_compile() -> bool:
    """Whether torch.compile works here; where it does not, that is said, and runs are eager."""
    try:
        require_compiler()
    except RuntimeError as error:
        log.warning("not compiled, which is slower: %s", str(error).splitlines()[0])
        return False
    return True


def advice(error: Exception) -> str:
    """What to do about an error, if there is something that helps."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return (
            "\nThe memory is too small for this: --data.batch_size can be smaller, the network too "
            "(--model.…), and --trainer.precision bf16-mixed takes about half."
        )
    return ""


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
