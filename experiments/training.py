"""Carries out one run: trains the network, and leaves the run's record in its directory."""

from __future__ import annotations

import logging
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.loggers.tensorboard import TensorBoardLogger as FabricTensorBoardLogger
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

import surrogate
from experiments import experiment as experiments
from experiments.callbacks import (
    BestCheckpoint,
    Curves,
    DivergedError,
    EpochSeed,
    EveryCheckpoint,
    LastCheckpoint,
)
from experiments.checkpoints import LAST, PREVIOUS, VerifiedFiles, newest
from experiments.data import Images
from experiments.layers import LayerStatistics
from experiments.optimization import make_optimizer, one_cycle
from experiments.runs import Run, commit, flat, versions, write_json
from experiments.signals import StopRequest
from surrogate.core.fuse import require_compiler
from surrogate.training.lightning import AnnealCallback, ProbeCallback

log = logging.getLogger("experiments")

Batch = tuple[Tensor, Tensor]


class Training(LightningModule):
    """Trains a network of an experiment and measures it on three sets of images.

    All arguments are plain values, so a checkpoint holds no code:
    `Training.load_from_checkpoint(path, weights_only=True).network` is the trained network.

    Args:
        experiment: its name.
        model: name and arguments of the network.
        loss: options of what is measured.
        optimizer: name and options of the optimiser.
        schedule: name and options of the learning rate's schedule.
        annealed: schedules of numbers of the pairs, if any: path → text. They make the buffers in
            which a checkpoint has these numbers.
    """

    def __init__(
        self,
        experiment: str,
        model: dict[str, Any],
        loss: dict[str, Any],
        optimizer: dict[str, Any],
        schedule: dict[str, Any],
        annealed: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.optimizer_options = optimizer
        self.schedule_options = schedule
        kinds = experiments.named(experiment)
        self.network = kinds.network(model)
        self.measures = kinds.measures(**loss)
        if annealed:
            surrogate.Anneal(self.network, annealed, steps=1)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.parameters(), self.optimizer_options)
        if self.schedule_options["name"] == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = one_cycle(optimizer, self.schedule_options["rise"], steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return self.measures(self.network, *batch)  # `Curves` adds up over the epoch

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int) -> None:
        part = ("val", "test")[dataloader_idx]
        measured = self.measures(self.network, *batch)
        self.log_dict(
            {f"{name}/{part}": value for name, value in measured.items()},
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            logger=False,  # `Curves` does it
            # The weight: Lightning divides the sum over processes by their number, and rounds.
            batch_size=len(batch[0]) * self.trainer.world_size,
            add_dataloader_idx=False,
            sync_dist=True,
        )


class Loaders(LightningDataModule):
    """The batches of a data set, this process's share of each."""

    def __init__(self, data: Images[Any], seed: int) -> None:
        super().__init__()
        self.data = data
        self.seed = seed

    def train_dataloader(self) -> DataLoader[Any]:
        return self.data.train_loader(self.seed, *self._share())

    def val_dataloader(self) -> Sequence[DataLoader[Any]]:
        parts = (self.data.val, self.data.test)
        return [self.data.eval_loader(part, *self._share()) for part in parts]

    def _share(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size


class EventFile(TensorBoardLogger):
    """TensorBoard's events in the run's directory, without another copy of its settings."""

    def __init__(self, directory: Path, first_step: int) -> None:
        make_way(directory)
        # What an earlier process logged from `first_step` on is purged: it is logged again.
        super().__init__(
            directory, name="", version="", default_hp_metric=False, purge_step=first_step
        )

    def save(self) -> None:
        FabricTensorBoardLogger.save(self)


def make_way(directory: Path) -> None:
    """Lets the event file to come be the last one by its name, also if the clock has jumped back.

    TensorBoard reads a directory's files by name, that is by the second of their making, and then
    by process.
    """
    now = latest = int(time.time())
    for path in sorted(directory.glob("events.out.tfevents.*"), reverse=True):
        name, second, rest = path.name[:20], path.name[20:30], path.name[30:]
        if not second.isdecimal():
            continue  # not one of ours
        if int(second) > latest:
            path.rename(directory / f"{name}{latest:010d}{rest}")
        latest = min(int(second), latest) - 1
    if list(directory.glob(f"events.out.tfevents.{now:010d}.*")):
        time.sleep(1)


class Settings(Callback):
    """The run's settings and final test figures, for TensorBoard's table of hyperparameters."""

    def __init__(self, run: Run, curves: Curves) -> None:
        self.run = run
        self.curves = curves

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(self.curves.rows) == trainer.max_epochs:  # Lightning has nothing left to train
            self.on_train_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        settings = {"act": self.run.act, "seed": self.run.seed, **flat(self.run.config)}
        chosen = self.curves.chosen
        assert chosen is not None
        metrics = self.curves.experiment.metrics
        final = {f"hp/test_{metric}": chosen[f"{metric}/test"] for metric in metrics}
        for logger in trainer.loggers:
            # Behind the last epoch: a run that was cut off here logs them again.
            logger.log_hyperparams(settings, final, step=len(self.curves.rows) + 1)  # type: ignore


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


def carry_out(
    run: Run,
    directory: Path,
    data: Images[Any],
    command: str,
    progress_bar: bool,
    first: bool = True,
    checkpoint_every: float = 60.0,
) -> dict[str, Any]:
    """Trains from the start or from the last checkpoint; returns what result.json says.

    An activation that raises or diverges does not raise here: that is a result. Ctrl-C and SIGTERM
    do, and leave the run ready to be resumed. Of the processes that train together, only the first
    writes anything.
    """
    if not first:
        return train(run, directory, data, False, checkpoint_every, first=False)
    with log_file(directory / "log.txt"):
        log.info("%s, seed %d, in %s", run.act, run.seed, directory)
        log.debug("%s", command)
        (directory / "result.json").unlink(missing_ok=True)  # of an attempt that failed
        outcome = train(run, directory, data, progress_bar, checkpoint_every)
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
        if result["status"] == "finished":
            (directory / "checkpoints" / PREVIOUS).unlink(missing_ok=True)
    return result


def train(
    run: Run,
    directory: Path,
    data: Images[Any],
    progress_bar: bool,
    checkpoint_every: float,
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
            Settings(run, curves),
        ]
        if "anneal" in run.config:
            callbacks.append(AnnealCallback(**run.config["anneal"]))
        if progress_bar:
            callbacks.append(TQDMProgressBar(leave=False))
        callbacks.append(LastCheckpoint(folder / LAST, checkpoint_every, request))
        first_step = len(curves.rows) + 1 if state else 0
        trainer = make_trainer(
            run.config["trainer"],
            logger=EventFile(directory, first_step) if first else False,
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


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's notices and tips, and the warnings that nobody can act on."""
    loggers = [
        (logging.getLogger("lightning.pytorch"), logging.WARNING),
        (logging.getLogger("lightning.fabric"), logging.WARNING),
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
