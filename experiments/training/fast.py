"""`--fast auto`: the settings with which a run is fastest on the machine at hand, by fixed rules.

What they decide is recorded with the run as if it had been asked for: compile, channels_last and
trainer.precision.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import torch

from surrogate.core.fuse import require_compiler

# What pays, as docs/performance.md has measured it.
STEPS_WORTH_COMPILING = 1000
CHANNELS_WORTH_BFLOAT16 = 32
IMAGES = 50_000  # of an epoch, where no limit is set, more or less

log = logging.getLogger("experiments")


def with_fast(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with what `fast` decides."""
    if settings["fast"] == "off":
        return settings
    trainer = settings["trainer"]
    on_gpu = trainer["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    narrow = not on_gpu and settings["model"].get("channels", 0) < CHANNELS_WORTH_BFLOAT16
    bfloat16 = multiplies_bfloat16(on_gpu) and not narrow
    precision = "bf16-mixed" if bfloat16 else "32-true"
    chosen = {"compile": worth_compiling(settings), "channels_last": bfloat16}
    words = ", ".join([*(name for name, on in chosen.items() if on), precision])
    log.info("--fast auto: %s", words)
    return {**settings, **chosen, "trainer": {**trainer, "precision": precision}}


def worth_compiling(settings: dict[str, Any]) -> bool:
    """Whether there are enough steps to make up for the seconds, and a compiler."""
    data, trainer = settings["data"], settings["trainer"]
    images = min(data.get("limit") or IMAGES, IMAGES)
    steps = trainer["max_epochs"] * math.ceil(images / data["batch_size"])
    if steps < STEPS_WORTH_COMPILING:
        return False
    try:
        require_compiler()
    except RuntimeError as error:
        log.warning("--fast auto does not compile: %s", error)
        return False
    return True


def multiplies_bfloat16(on_gpu: bool) -> bool:
    """Whether the machine has instructions for it, and need not go by way of float32."""
    if on_gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
