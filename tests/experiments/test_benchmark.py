"""The benchmark: that its ratios are what they say; not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from experiments.benchmark import __main__ as command
from experiments.benchmark import measure, training
from experiments.benchmark.measure import Timing, forward_and_backward, in_turn
from experiments.benchmark.pairs import compile_one, pairs
from experiments.benchmark.peers import PACKAGES, against_peers
from experiments.benchmark.settings import Settings
from experiments.benchmark.table import Table

SETTINGS = Settings(("cantor2",), rounds=2, quick=True, device=torch.device("cpu"))


def test_times_are_medians_and_ratios_are_of_the_same_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock that only the works move: the second takes twice the first, which varies."""
    now = 0.0
    costs = iter([*[1.0] * 3, *[2.0] * 3, 1.0, 2.0, 20.0, 10.0, 3.0, 6.0])

    def work() -> None:
        nonlocal now
        now += next(costs)

    monkeypatch.setattr(measure.time, "perf_counter", lambda: now)
    one, two = in_turn({"one": work, "two": work}, "one", rounds=3, least_seconds=0.5)
    assert one == Timing("one", 3000.0, 1.0, 1.0, 1.0)
    assert two == Timing("two", 6000.0, 2.0, 2.0, 2.0)


def test_a_short_work_is_repeated() -> None:
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1

    in_turn({"short": work}, "short", rounds=1, least_seconds=1e-3)
    assert calls > 10


def test_a_table_says_what_is_above_its_limit() -> None:
    rows = [Timing("a", 1.0, 1.0, 1.0, 1.0), Timing("b", 1.5, 1.5, 1.4, 1.6)]
    lines = str(Table("title", "a", rows, 1.3, {"bytes": ["0", "4"]})).splitlines()
    assert lines[0] == "title (limit: 1.3)"
    assert lines[2].split() == ["a", "1.000", "1.00", "1.00", "to", "1.00", "0"]
    assert lines[3].endswith("1.40 to 1.60  above the limit  4")


def test_forward_and_backward_is_the_gradient() -> None:
    work = forward_and_backward(torch.tanh, torch.tensor([0.0, 1.0]))
    (gradient,) = work()  # type: ignore[misc]
    assert gradient.tolist() == pytest.approx([1, 1 - torch.tanh(torch.ones(())).item() ** 2])


def test_each_is_compiled_by_itself() -> None:
    x = torch.randn(8)
    with torch._dynamo.config.patch(recompile_limit=1, fail_on_recompile_limit_hit=True):
        for shift in range(3):
            assert torch.equal(compile_one(lambda x, shift=shift: x + shift)(x), x + shift)


@pytest.mark.filterwarnings("ignore:.torch.jit")  # norse, on import
def test_the_suites_of_pairs_and_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.benchmark.pairs.MILLION", 1000)
    monkeypatch.setattr("experiments.benchmark.pairs.compile_one", lambda each: each)
    eager, compiled, memory = pairs(SETTINGS)
    assert [row.name for row in eager.rows] == ["torch GELU", "torch ReLU", "cantor2"]
    assert eager.notes["bytes kept per element"] == ["4", "4", "0"]
    assert len(compiled.rows) == 3
    assert memory.rows[0].name == "2½ copies"
    monkeypatch.setattr("experiments.benchmark.peers.compile_one", lambda each: each)
    tables = list(against_peers(SETTINGS))
    assert len(tables) == 2 * len(PACKAGES)  # installed here, all of them
    assert all(len(table.rows) == 4 for table in tables)


def test_the_step_with_torchs_own_has_no_pair_left() -> None:
    network = training._with_modules(torch.nn.ReLU)
    kinds = [type(module).__name__ for module in network.modules()]
    assert kinds.count("ReLU") == 15
    assert "SurrogateActivation" not in kinds


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("title", "a", [Timing("a", 1.0, 1.0, 1.0, 1.0)])
    monkeypatch.setattr(command, "SUITES", {"pairs": lambda settings: iter([table])})
    file = tmp_path / "benchmark.json"
    assert command.main(["--quick", "-o", str(file)]) == 0
    record = json.loads(file.read_text())
    assert record["suites"] == {"pairs": [table.values]}
    assert record["quick"]
    assert record["machine"]["gpu"] == "no GPU here"
    assert record["machine"]["torch"] == torch.__version__
    if not torch.cuda.is_available():
        assert command.main(["--device", "cuda"]) == 2
