"""The suites of the benchmark, and the command that runs them and writes their tables."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import surrogate
from experiments.runs.provenance import commit
from experiments.timing.command import command
from experiments.timing.gpu import gpu
from experiments.timing.operators import operators
from experiments.timing.pairs import growth, pairs
from experiments.timing.peers import PACKAGES, against_peers
from experiments.timing.probe import probe
from experiments.timing.settings import Settings
from experiments.timing.startup import startup
from experiments.timing.table import Table
from experiments.timing.training import steps

SUITES: dict[str, Callable[[Settings], Iterator[Table]]] = {
    "start-up": startup,
    "operators": operators,
    "pairs": pairs,
    "growth": growth,
    "peers": against_peers,
    "training": steps,
    "probe": probe,
    "command": command,
    "gpu": gpu,
}
QUICK = ("relu", "relu_directional", "cantor2", "staircase_blurred", "perlin4", "sign_ste")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", allow_abbrev=False)
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument("--act", nargs="+", choices=surrogate.names(), help="default: all")
    parser.add_argument("--quick", action="store_true", help="a few pairs, a few rounds")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("-o", "--output", type=Path, help="the JSON file")
    given = parser.parse_args(arguments)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here", file=sys.stderr)
        return 2
    acts = tuple(given.act or (QUICK if given.quick else surrogate.names()))
    settings = Settings(acts, 5 if given.quick else 7, given.quick, torch.device(given.device))
    started = time.perf_counter()
    found: dict[str, list[Any]] = {}
    record = {"machine": machine(settings), "quick": given.quick, "suites": found}
    for suite in given.suites:
        found[suite] = []
        for table in SUITES[suite](settings):
            print(table, end="\n\n", flush=True)
            found[suite].append(table.values)
            if given.output:  # after each table, so that what is cut off has those before
                text = json.dumps(record, indent=1) + "\n"
                given.output.write_text(text, encoding="utf-8")
    print(f"{time.perf_counter() - started:.0f} s")
    if given.output:
        print(given.output)
    return 0


def machine(settings: Settings) -> dict[str, Any]:
    """What the figures depend on."""
    gpu = settings.device.type == "cuda"
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "not installed"
    return {
        "processor": f"{processor()} ({torch.backends.cpu.get_cpu_capability()})",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(settings.device) if gpu else "no GPU here",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "surrogate": surrogate.__version__,
        "peers": installed,
        "commit": commit(),
    }


def processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
