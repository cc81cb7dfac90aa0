"""Numbers that a schedule moves, with and without Lightning."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import surrogate
from surrogate import Anneal
from surrogate.training.anneal import Cosine, Exponential, Linear, Step, as_schedule, number_paths
from surrogate.training.anneal import schedules as registered

SPIKE = "Heaviside() / Blurred(width=1.0)"
X = torch.linspace(-1, 1, 9)


def slopes(pair: Callable[[Tensor], Tensor]) -> Tensor:
    x = X.clone().requires_grad_()
    return torch.autograd.grad(pair(x).sum(), x)[0]


@given(st.floats(0.01, 9), st.floats(0.01, 9), st.floats(0, 1))
def test_schedules_go_from_start_to_end(start: float, end: float, t: float) -> None:
    for kind in (Linear, Cosine, Exponential):
        schedule = kind(start, end)
        assert schedule(0.0) == pytest.approx(start)
        assert schedule(1.0) == pytest.approx(end)
        assert min(start, end) * 0.999 <= schedule(t) <= max(start, end) * 1.001
    assert Linear(start, end)(t) == pytest.approx((1 - t) * start + t * end)
    assert Cosine(start, end)(t) + Cosine(start, end)(1 - t) == pytest.approx(start + end)
    assert math.log(Exponential(start, end)(t)) == pytest.approx(
        (1 - t) * math.log(start) + t * math.log(end), abs=1e-9
    )


def test_steps_hold_each_value_for_an_equal_part() -> None:
    step = Step((3.0, 2.0, 1.0))
    assert [step(t / 6) for t in range(7)] == [3, 3, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("name", registered)
def test_schedules_read_back(name: str) -> None:
    schedule = Step((1.0, 0.5)) if name == "step" else registered[name](1.0, 0.05)
    assert as_schedule(repr(schedule)) == schedule
    assert repr(schedule).startswith(f"{name}(")
    assert as_schedule(schedule) is schedule


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cosin(1, 2)", "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("cosine(1)", "cosine needs the argument 'end'"),
        ("cosine(1, None)", "end must be a finite number, got None"),
        ("exponential(1, 0)", "start and end must both be above 0, or both below, got 1 and 0"),
        ("step(())", "values must be a tuple of finite numbers"),
        ("step((1, None))", "values must be a tuple of finite numbers"),
        ("cosine", "expected a schedule, such as"),
        ("", "something is missing"),
    ],
)
def test_what_is_no_schedule(given: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        as_schedule(given)
    assert message in str(caught.value)
    with pytest.raises(TypeError, match=r"must be a Schedule or the text of one, got 3"):
        as_schedule(3)  # type: ignore[arg-type]


def test_a_model_is_annealed_by_path() -> None:
    model = nn.Sequential(
        nn.Linear(9, 9), surrogate.get(SPIKE), nn.Sequential(surrogate.get(SPIKE)), nn.ReLU()
    )
    anneal = Anneal(model, {"derivative.width": "exponential(2.0, 0.5)"}, steps=3)
    for width in (2.0, 1.0, 0.5, 0.5):
        assert anneal.values() == {"derivative.width": pytest.approx(width)}
        for pair in (model[1], model[2][0]):  # type: ignore[index]
            fixed = surrogate.get(f"Heaviside() / Blurred(width={width})")
            torch.testing.assert_close(slopes(pair), slopes(fixed))
            assert str(pair) == f"Heaviside() / Blurred(width={width})"
        anneal.step()


@pytest.mark.parametrize(
    ("text", "path", "at_half"),
    [
        ("Staircase(step=1.0) / Constant()", "function.step", "Staircase(step=1.5) / Constant()"),
        ("Heaviside() / Constant(1)", "derivative.value", "Heaviside() / Constant(1.5)"),
        (
            "Sign() / 1.0 * Constant() + 0.1 * Exact()",
            "derivative.left.factor",
            "Sign() / 1.5 * Constant() + 0.1 * Exact()",
        ),
        (
            "ReLU() / Blurred(Staircase(step=1), width=0.5)",
            "derivative.function.step",
            "ReLU() / Blurred(Staircase(step=1.5), width=0.5)",
        ),
        (
            "Sin() / Blurred(width=1.0, kernel='logistic')",
            "derivative.width",
            "Sin() / Blurred(width=1.5, kernel='logistic')",
        ),
    ],
)
def test_an_annealed_pair_is_the_pair_with_that_number(text: str, path: str, at_half: str) -> None:
    pair, expected = surrogate.get(text), surrogate.get(at_half)
    anneal = Anneal(pair, {path: Linear(1.0, 2.0)}, steps=3)
    anneal.step()
    assert str(pair) == str(expected)
    torch.testing.assert_close(pair(X), expected(X))
    # The staircase's blur comes from a table when it is fixed.
    torch.testing.assert_close(slopes(pair), slopes(expected), rtol=0, atol=2e-2)


def test_number_paths() -> None:
    pair = surrogate.get("PerlinNoise(4.0) / Directional(left=Box().shift(1))")
    assert number_paths(pair) == [
        "function.resolution",
        "function.seed",
        "derivative.left.derivative.left",
        "derivative.left.derivative.right",
        "derivative.left.derivative.height",
        "derivative.left.derivative.outside",
        "derivative.left.distance",
        "derivative.width",
    ]


def test_it_is_saved_and_restored_with_the_model() -> None:
    schedules = {"derivative.width": "linear(1.0, 0.5)"}
    pair, twin = surrogate.get(SPIKE), surrogate.get(SPIKE)
    anneal, again = Anneal(pair, schedules, steps=3), Anneal(twin, schedules, steps=3)
    anneal.step()
    twin.load_state_dict(pair.state_dict())
    again.load_state_dict(anneal.state_dict())
    assert str(twin) == str(pair) == "Heaviside() / Blurred(width=0.75)"
    again.step()
    assert str(twin) == "Heaviside() / Blurred(width=0.5)"
    assert list(pair.parameters()) == []  # nothing that an optimizer would move


def test_a_step_does_not_compile_anew() -> None:
    pair = surrogate.get(SPIKE)
    anneal = Anneal(pair, {"derivative.width": "cosine(1.0, 0.05)"}, steps=4)
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(4):
            torch.testing.assert_close(slopes(compiled), slopes(pair))
            anneal.step()


@pytest.mark.parametrize(
    ("schedules", "message"),
    [
        ({"derivative.widht": "linear(1, 2)"}, "did you mean 'derivative.width'?"),
        ({"nothing": "linear(1, 2)"}, r"no pair has a number at 'nothing' \(there are: derivative"),
        ({}, "must name at least one path"),
        ({"derivative.width": "linear(1, 0)"}, r"out of range: .*width must be .* 1e-30 .*, got 0"),
        (
            {"function.depth": "linear(1, 5)"},
            r"function.depth can't change while training: Cantor: depth .* this number is fixed",
        ),
    ],
)
def test_what_cannot_be_annealed(schedules: dict[str, str], message: str) -> None:
    model = nn.Sequential(surrogate.get(SPIKE), surrogate.get("cantor2"))
    before = [str(pair) for pair in model]
    with pytest.raises(ValueError, match=message):
        Anneal(model, schedules, steps=3)
    assert [str(pair) for pair in model] == before
    with pytest.raises(ValueError, match="steps must be an integer at least 1, got 0"):
        Anneal(model, {"derivative.width": "linear(1, 2)"}, steps=0)


def test_what_is_no_model_or_no_mapping() -> None:
    with pytest.raises(TypeError, match=r"Anneal: model must be a torch\.nn\.Module, got 'relu'"):
        Anneal("relu", {"derivative.width": "linear(1, 2)"}, steps=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Anneal: schedules must map .*, got 'linear\(1, 2\)'"):
        Anneal(surrogate.get(SPIKE), "linear(1, 2)", steps=3)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")  # Lightning's advice
@pytest.mark.parametrize("every", ["step", "epoch"])
def test_under_lightning_and_across_a_resume(tmp_path: Path, every: Any) -> None:
    from lightning.pytorch import LightningModule, Trainer

    from surrogate.training.lightning import AnnealCallback

    class Net(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 4), surrogate.get(SPIKE), nn.Linear(4, 1))
            self.widths: list[str] = []

        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            self.widths.append(str(self.net[1]).split("=")[1].rstrip(")"))
            return self.net(batch).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    loader = torch.utils.data.DataLoader(torch.randn(8, 2), batch_size=4)  # type: ignore[arg-type]

    def fit(max_epochs: int, checkpoint: str | None = None) -> Net:
        net = Net()
        trainer = Trainer(
            max_epochs=max_epochs,
            accelerator="cpu",
            logger=False,
            callbacks=[AnnealCallback({"derivative.width": "linear(1.0, 0.5)"}, every)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(net, loader, ckpt_path=checkpoint)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return net

    whole = fit(3).widths
    expected = (
        [1.0, 1.0, 0.75, 0.75, 0.5, 0.5] if every == "epoch" else [1 - k / 10 for k in range(6)]
    )
    assert [float(width) for width in whole] == pytest.approx(expected)
    fit(1)
    resumed = fit(3, str(tmp_path / "last.ckpt"))
    assert resumed.widths == whole[2:]
    with pytest.raises(ValueError, match="every must be 'step' or 'epoch', got 'day'"):
        AnnealCallback({}, "day")  # type: ignore[arg-type]
