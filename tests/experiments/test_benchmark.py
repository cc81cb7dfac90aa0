"""The benchmark: that its ratios are what they say; not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import surrogate
from experiments.tasks.networks.autoencoder import Autoencoder
from experiments.timing import loops, measure, training
from experiments.timing import suites as main_module
from experiments.timing.measure import Timing, forward_and_backward, in_turn
from experiments.timing.operators import operators
from experiments.timing.pairs import compile_one, pairs
from experiments.timing.peers import PACKAGES, against_peers
from experiments.timing.settings import Settings
from experiments.timing.table import Table

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


def test_the_suite_of_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock in which each work takes a thousandth of a second an element."""
    monkeypatch.setattr("experiments.timing.operators.BLOCK", 10)
    monkeypatch.setattr(
        "experiments.timing.operators.in_turn",
        lambda works, *_, **__: [
            Timing(name, float(work().numel()), 1.0, 1.0, 1.0) for name, work in works.items()
        ],
    )
    (table,) = operators(SETTINGS)
    assert table.reference == "x * y" == table.rows[0].name
    assert set(table.notes["ns per element"]) == {"1000000.00"}


@pytest.mark.filterwarnings("ignore:.torch.jit")  # norse, on import
def test_the_suites_of_pairs_and_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.timing.pairs.MILLION", 1000)
    monkeypatch.setattr("experiments.timing.pairs.compile_one", lambda each: each)
    eager, fused, compiled, memory = pairs(SETTINGS)
    assert [row.name for row in eager.rows] == ["torch GELU", "torch ReLU", "cantor2"]
    assert eager.notes["bytes kept per element"] == ["4", "4", "0"]
    assert len(fused.rows) == len(compiled.rows) == 3
    assert memory.rows[0].name == "2½ copies"
    monkeypatch.setattr("experiments.timing.peers.compile_one", lambda each, dynamic: each)
    tables = list(against_peers(SETTINGS))
    assert len(tables) == 2 * len(PACKAGES)  # installed here, all of them
    assert all(len(table.rows) == 5 for table in tables)


@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.parametrize(
    ("package", "name"),
    [(package, name) for package, (_, names) in PACKAGES.items() for name in names],
)
def test_each_peer_is_there_and_spikes(package: str, name: str) -> None:
    """Or, the one that doesn't spike, is a rectifier; all have an equivalent."""
    x = torch.tensor([-3.0, 3.0])
    assert PACKAGES[package][0](name)(x).tolist()[1] > 0
    surrogate.equivalent(f"{package}.{name}")


def test_the_step_with_torchs_own_has_no_pair_left() -> None:
    network = training._with_modules(torch.nn.ReLU)
    kinds = [type(module).__name__ for module in network.modules()]
    assert kinds.count("ReLU") == 15
    assert "SurrogateActivation" not in kinds


def test_all_ways_feed_the_same_batches() -> None:
    images = torch.randint(0, 256, (130, 1, 28, 28), dtype=torch.uint8)
    for batches in (loops.in_memory, loops.one_by_one):
        first, rest = batches(images, False)
        assert torch.equal(torch.cat([first, rest]), images.float() / 255)
        assert len(first) == 128
        shuffled = torch.cat(list(batches(images, True)))
        assert not torch.equal(shuffled, images.float() / 255)
        torch.testing.assert_close(shuffled.sum(0), (images.float() / 255).sum(0))
    seconds = loops.seconds_of_last_epoch(
        Autoencoder("relu", 2), dict.fromkeys(("train", "val", "test"), images), loops.in_memory, 1
    )
    assert seconds > 0


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("title", "a", [Timing("a", 1.0, 1.0, 1.0, 1.0)])
    monkeypatch.setattr(main_module, "SUITES", {"pairs": lambda settings: iter([table])})
    file = tmp_path / "benchmark.json"
    assert main_module.main(["--quick", "-o", str(file)]) == 0
    record = json.loads(file.read_text())
    assert record["suites"] == {"pairs": [table.values]}
    assert record["quick"]
    assert record["machine"]["gpu"] == "no GPU here"
    assert record["machine"]["torch"] == torch.__version__
    if not torch.cuda.is_available():
        assert main_module.main(["--device", "cuda"]) == 2
