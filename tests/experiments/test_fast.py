"""--fast auto decides by fixed rules; what it decided is recorded as if it had been asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from experiments.autoencoder import main
from experiments.common.files import read_json
from experiments.settings.read import Settings, read_settings
from experiments.training import fast


def parsed(*arguments: str) -> Settings:
    return read_settings("autoencoder", arguments, "autoencoder")


def chosen(settings: Settings) -> tuple[bool, bool, str]:
    return settings.run.compile, settings.run.channels_last, settings.groups["trainer"]["precision"]


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, with a compiler and instructions for bfloat16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(fast, "require_compiler", lambda: None)


def test_off_is_the_default() -> None:
    settings = parsed("--act", "relu", "--trainer.max_epochs", "100", "--model.channels", "64")
    assert chosen(settings) == (False, False, "32-true")


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--trainer.max_epochs 3", (True, False, "32-true")),
        ("--trainer.max_epochs 2", (False, False, "32-true")),  # 782 steps
        ("--trainer.max_epochs 99 --data.limit 1000", (False, False, "32-true")),
        ("--trainer.max_epochs 2 --data.batch_size 64", (True, False, "32-true")),
        ("--model.channels 32", (True, True, "bf16-mixed")),
        ("--model.channels 31", (True, False, "32-true")),
        ("--model.channels 32 --trainer.max_epochs 1", (False, True, "bf16-mixed")),
    ],
)
def test_rules(words: str, expected: tuple[bool, bool, str]) -> None:
    settings = parsed("--act", "relu", "--fast", "auto", *words.split())
    assert chosen(settings) == expected


@pytest.mark.usefixtures("native")
def test_what_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(fast, "require_compiler", missing)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    settings = parsed("--act", "relu", "--fast", "auto", "--model.channels", "64")
    assert chosen(settings) == (False, False, "32-true")


@pytest.mark.usefixtures("native")
def test_what_was_decided_is_recorded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "CHANNELS_WORTH_BFLOAT16", 2)
    words = "--config configs/smoke.yaml --trainer.max_epochs 1 --act relu --baseline none"
    assert main([*words.split(), "--fast", "auto", "--runs", str(tmp_path)]) == 0
    directory = tmp_path / "autoencoder" / "relu" / "seed0"
    config = read_json(directory / "result.json")["config"]
    assert (config["compile"], config["channels_last"]) == (False, True)
    assert config["trainer"]["precision"] == "bf16-mixed"
    replayed = parsed("--config", str(directory / "config.yaml"))
    assert chosen(replayed) == (False, True, "bf16-mixed")
