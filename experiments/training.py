"""Carries out one run: trains the network, and leaves the run's record in its directory."""

from __future__ import annotations

import logging
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.loggers.tensorboard import TensorBoardLogger as FabricTensorBoardLogger
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

import surrogate
from experiments.callbacks import Curves, DivergedError, EpochSeed, LastCheckpoint
from experiments.data import FashionMNIST
from experiments.networks import NETWORKS
from experiments.runs import Run, commit, flat, versions, write_json
from surrogate.lightning import AnnealCallback

log = logging.getLogger("experiments")

Batch = tuple[Tensor, Tensor]


class Training(LightningModule):
    """Trains a network with Adam and measures its loss on three sets of images.

    All arguments are plain values, so a checkpoint holds no code:
    `Training.load_from_checkpoint(path, weights_only=True).network` is the trained network.

    Args:
        experiment: name of the network.
        model: the network's arguments.
        optimizer: Adam's arguments.
        annealed: schedules of numbers of the pairs, if any: path → text. They make the buffers in
            which a checkpoint has these numbers.
    """

    def __init__(
        self,
        experiment: str,
        model: dict[str, Any],
        optimizer: dict[str, Any],
        annealed: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.optimizer_arguments = optimizer
        self.network = NETWORKS[experiment](**model)
        if annealed:
            surrogate.Anneal(self.network, annealed, steps=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), **self.optimizer_arguments)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._measure("loss/train", batch)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int) -> None:
        self._measure(("loss/val", "loss/test")[dataloader_idx], batch)

    def _measure(self, name: str, batch: Batch) -> Tensor:
        loss = self.network.loss(*batch)
        self.log(
            name,
            loss,
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            logger=False,  # `Curves` does it
            batch_size=len(batch[0]),
            add_dataloader_idx=False,
        )
        return loss


class EventFile(TensorBoardLogger):
    """TensorBoard's events in the run's directory, without another copy of its settings."""

    def __init__(self, directory: Path, first_epoch: int) -> None:
        # TensorBoard reads a directory's files by name, that is by the second of their making, and
        # then by process: one of this second has to come to be in another.
        if list(directory.glob(f"events.out.tfevents.{int(time.time())}.*")):
            time.sleep(1)
        # What an earlier process logged from `first_epoch` on is purged: it is run again.
        super().__init__(
            directory, name="", version="", default_hp_metric=False, purge_step=first_epoch
        )

    def save(self) -> None:
        FabricTensorBoardLogger.save(self)


class Settings(Callback):
    """The run's settings and final test loss, for TensorBoard's table of hyperparameters."""

    def __init__(self, run: Run, curves: Curves) -> None:
        self.run = run
        self.curves = curves

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        settings = {"act": self.run.act, "seed": self.run.seed, **flat(self.run.config)}
        final = {"hp/test_loss": self.curves.rows[-1]["loss/test"]}
        for logger in trainer.loggers:
            logger.log_hyperparams(settings, final, step=len(self.curves.rows))  # type: ignore


def make_trainer(options: Mapping[str, Any], **extra: Any) -> Trainer:
    """Lightning's Trainer on one device, with nothing on that we do ourselves."""
    with quiet():
        return Trainer(
            **options,
            devices=1,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_model_summary=False,
            **extra,
        )


def check_trainer_options(options: Mapping[str, Any]) -> None:
    """Raises what the Trainer raises for options that this machine cannot meet."""
    make_trainer(options, logger=False)


def carry_out(
    run: Run, directory: Path, data: FashionMNIST, command: str, progress_bar: bool
) -> dict[str, Any]:
    """Trains from the start or from the last checkpoint; returns what result.json says.

    An activation that raises or diverges does not raise here: that is a result. Ctrl-C does,
    and leaves the run ready to be resumed.
    """
    with log_file(directory / "log.txt"):
        log.info("%s, seed %d, in %s", run.act, run.seed, directory)
        log.debug("%s", command)
        (directory / "result.json").unlink(missing_ok=True)  # of an attempt that failed
        outcome = train(run, directory, data, progress_bar)
        result = {
            "experiment": run.experiment,
            "act": run.act,
            "text": run.text,
            "seed": run.seed,
            **outcome,
            "threads": torch.get_num_threads(),
            "precision": run.config["trainer"]["precision"],
            "versions": versions(),
            "commit": commit(),
            "command": command,
            "config": run.config,
        }
        write_json(directory / "result.json", result)
    return result


def train(run: Run, directory: Path, data: FashionMNIST, progress_bar: bool) -> dict[str, Any]:
    """Trains, and returns how it went."""
    started = time.perf_counter()
    curves = Curves(directory)
    checkpoint = directory / "checkpoints" / "last.ckpt"
    status, message, earlier, parameters, device = "finished", None, 0.0, None, None
    try:
        if checkpoint.exists():
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
            curves.load_state_dict(state["callbacks"]["Curves"])
            earlier = sum(row["seconds"] for row in curves.rows)
            log.info("resumed after epoch %d", len(curves.rows))
        callbacks: list[Callback] = [
            EpochSeed(run.seed),
            curves,
            LastCheckpoint(checkpoint),
            Settings(run, curves),
        ]
        if "anneal" in run.config:
            callbacks.append(AnnealCallback(**run.config["anneal"]))
        if progress_bar:
            callbacks.append(TQDMProgressBar(leave=False))
        trainer = make_trainer(
            run.config["trainer"],
            logger=EventFile(directory, first_epoch=len(curves.rows) + 1),
            callbacks=callbacks,
            enable_progress_bar=progress_bar,
        )
        device = device_name(trainer.strategy.root_device)
        training = Training(
            run.experiment,
            {"act": run.act, "seed": run.seed, **run.config["model"]},
            dict(run.config["optimizer"]),
            run.config.get("anneal", {}).get("schedules"),
        )
        parameters = sum(parameter.numel() for parameter in training.parameters())
        if run.config["compile"]:
            training.network.compile()
        with quiet():
            trainer.fit(
                training,
                data.train_loader(run.seed),
                [data.eval_loader(data.val), data.eval_loader(data.test)],
                ckpt_path=checkpoint if checkpoint.exists() else None,
                weights_only=True,
            )
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from None
    except DivergedError as error:
        status, message = "diverged", str(error)
        log.warning("%s diverged: %s", run.act, message)
    except Exception as error:  # whatever an activation raises must not end the others' runs
        status, message = "failed", f"{type(error).__name__}: {error}"
        log.error("%s failed: %s", run.act, message.splitlines()[0])
        log.debug("%s", traceback.format_exc())
    last = curves.rows[-1] if status == "finished" else None
    return {
        "status": status,
        "message": message,
        "test_loss": last and last["loss/test"],
        "val_loss": last and last["loss/val"],
        "best_epoch": curves.best and curves.best["epoch"],
        "epochs": len(curves.rows),
        "seconds": round(earlier + time.perf_counter() - started, 3),
        "images_per_second": curves.images_per_second,
        "parameters": parameters,
        "device": device,
    }


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's notices and tips, and the warnings that nobody can act on."""
    loggers = [
        (logging.getLogger("lightning.pytorch"), logging.WARNING),
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


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Sends all that is logged to a file as well."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
