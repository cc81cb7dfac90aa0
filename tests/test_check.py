"""The self-check finds lies of every kind, and nothing in the catalogue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.diagnostics.check import DTYPES, Report, Row, command
from surrogate.diagnostics.check.modes import MODES
from surrogate.diagnostics.check.properties import PROPERTIES
from tests.few import few_of
from tests.ids import shown

FLOAT32 = [torch.float32]
EAGER = [mode for mode in MODES.values() if not mode.compiled and mode.name != "CUDA graph"]


def verdicts(report: Report) -> dict[str, str]:
    """By mode, for one dtype."""
    return {row.mode: row.verdict for row in report.rows}


def off(derivative: d.Derivative, by: float = 0.01) -> SurrogateActivation:
    """A pair that reports 1.01 times what it says."""
    pair = SurrogateActivation(f.Sigmoid(), derivative)
    pair._rule = SurrogateActivation(f.Sigmoid(), (1 + by) * derivative)._rule
    return pair


class Hand(Function):
    """A spike with the slope 1 / (1 + |x|)², as one writes it in a hurry: no forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return grad_output / (1 + x.abs()) ** 2


class Old(Hand):
    """The older form, with a clone that loses the second order."""

    generate_vmap_rule = False

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(x.clone())
        return (x > 0).to(x.dtype)

    setup_context = Function.setup_context


def hand(x: Tensor) -> Tensor:
    return Hand.apply(x)


@pytest.mark.parametrize("name", [mode.name for mode in EAGER if mode.order > 0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_slope_off_by_a_hundredth_is_wrong(name: str, dtype: torch.dtype) -> None:
    by = 0.03 if dtype == torch.bfloat16 else 0.01  # whose numbers are a hundredth apart
    lie = off(d.DerivativeOf(f.Tanh()), by)
    (row,) = surrogate.check(lie, modes=[name], dtypes=[dtype]).rows
    assert row.verdict == "WRONG"
    assert row.error is not None
    assert row.error == pytest.approx(by, rel=0.5)


@pytest.mark.parametrize("name", ["compiled backward", "compiled func.grad", "compiled func.jvp"])
def test_and_in_compiled_modes(name: str) -> None:
    lie = off(d.Constant())
    assert not surrogate.check(lie, modes=[name], dtypes=FLOAT32).ok


def test_a_value_off_by_one_bit_is_wrong() -> None:
    class Off(SurrogateActivation):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (1 + torch.finfo(x.dtype).eps)

    names = [mode.name for mode in EAGER if mode.exact]
    assert len(names) == 5
    report = surrogate.check(Off(f.Sigmoid(), d.Constant()), modes=names)
    assert {row.verdict for row in report.rows} == {"WRONG"}
    plain = surrogate.check(SurrogateActivation(f.Sigmoid(), d.Constant()), modes=names)
    assert {row.verdict for row in plain.rows} == {"right"}


def test_a_rule_that_reports_where_it_can_not_is_wrong() -> None:
    class Silent(SurrogateActivation):
        def forward(self, x: Tensor) -> Tensor:
            return self.function(x)

    rule = lambda x, grad_output: grad_output.clamp(-1, 1)
    names = [mode.name for mode in EAGER if mode.needs_linear]
    silent = surrogate.check(Silent(f.Tanh(), rule), modes=names, dtypes=FLOAT32)
    assert set(verdicts(silent).values()) == {"WRONG"}
    honest = surrogate.check(SurrogateActivation(f.Tanh(), rule), modes=names, dtypes=FLOAT32)
    assert set(verdicts(honest).values()) == {"refuses"}
    assert honest.ok


def test_foreign_functions_are_held_to_their_own_backward() -> None:
    found = verdicts(surrogate.check(hand, dtypes=FLOAT32, compiled=False))
    assert found["backward"] == found["vmap(grad)"] == found["jacrev"] == "right"
    assert found["create_graph, second order"] == "right"
    assert found["create_graph, third order"] == "n/a"
    assert found["func.jvp"] == found["forward-mode AD"] == "refuses"
    assert found["export, then backward"] == "WRONG"  # the true derivative, in silence
    found = verdicts(surrogate.check(Old.apply, dtypes=FLOAT32, compiled=False))
    assert found["create_graph, second order"] == "WRONG"
    assert found["func.grad"] == found["value in vmap"] == "refuses"


def test_the_compiler_drops_a_missing_forward_mode_in_silence() -> None:
    report = surrogate.check(hand, modes=["compiled func.jvp"], dtypes=FLOAT32)
    assert verdicts(report) == {"compiled func.jvp": "WRONG"}


def test_a_reference_overrules_what_a_module_reports() -> None:
    reference = lambda x, grad_output: grad_output / (1 + x.abs()) ** 2
    names = ["backward", "create_graph, second order", "create_graph, third order"]
    right = surrogate.check(hand, reference=reference, modes=names, dtypes=DTYPES[:2])
    assert {row.verdict for row in right.rows} == {"right"}
    wrong = surrogate.check(hand, reference=lambda x, g: 1.03 * reference(x, g), modes=names)
    assert {row.verdict for row in wrong.rows} == {"WRONG"}


class Lax(SurrogateActivation):
    """A pair that leaves its promises by the wayside."""

    def __init__(self, change: Any) -> None:
        super().__init__(f.Identity(), d.Constant())
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x)


@pytest.mark.parametrize(
    ("name", "module", "note"),
    [
        (
            "dtype kept",
            nn.Sequential(nn.RReLU(), Lax(lambda x: x.float())),
            "value is torch.float32",
        ),
        ("layout kept", Lax(lambda x: x.contiguous()), "channels_last"),
        ("integers refused", Lax(lambda x: x), "torch.int64 is taken"),
        ("complex numbers refused", Lax(lambda x: x), "torch.complex64 is taken"),
        ("memory for backward", Lax(lambda x: x * x), "8 bytes for each element, 0 needed"),
        ("extremes", lambda x: x * torch.sigmoid(x), "value at -inf is nan"),
        ("extremes", lambda x: (x > 0).to(x) + 0 * x.detach().nan_to_num(), "value at NaN is 0"),
        ("exported extremes", lambda x: x * torch.sigmoid(x), "value at -inf is nan"),
    ],
)
def test_properties_that_do_not_hold(name: str, module: Any, note: str) -> None:
    (row,) = surrogate.check(module, modes=[name], dtypes=[torch.float64]).rows
    assert row.verdict == "WRONG"
    assert note in row.note


class DrawsTwice(SurrogateActivation):
    """What is computed, and what is reported, is of two draws."""

    def forward(self, x: Tensor) -> Tensor:
        value, other = super().forward(x.detach()), super().forward(x)
        return value + (other - other.detach())


class DrawsOnce(SurrogateActivation):
    def forward(self, x: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return super().forward(x)


def test_shared_draws() -> None:
    for derivative in (d.Exact(), 2 * d.Exact(), d.ClipNorm(0.5, d.Exact())):
        parts = f.RReLU(), derivative
        (row,) = surrogate.check(
            SurrogateActivation(*parts), modes=["shared draws"], dtypes=FLOAT32
        ).rows
        assert row.verdict == "right"
        (row,) = surrogate.check(DrawsTwice(*parts), modes=["shared draws"], dtypes=FLOAT32).rows
        assert row.verdict == "WRONG"
        (row,) = surrogate.check(DrawsOnce(*parts), modes=["shared draws"], dtypes=FLOAT32).rows
        assert (row.verdict, row.note) == ("WRONG", "two calls draw the same numbers")


@pytest.mark.parametrize(
    "text",
    [
        "Bernoulli() / Blurred(kernel='logistic')",
        "Bernoulli(width=0.3, law='algebraic') / Box()",
        "Identity() / Constant(Drawn(in_eval='draw'))",
        "RReLU() / Blurred(width=0.3)",
    ],
)
def test_drawn_numbers_are_at_their_mean_in_the_other_rows(text: str) -> None:
    report = surrogate.check(surrogate.get(text), compiled=False)
    report.raise_if_wrong()
    found = verdicts(report)
    assert found["shared draws"] == found["backward"] == found["hessian"] == "right"


LEARNED = [
    SurrogateActivation(f.Staircase(Learnable(0.5, positive=True)), d.Constant()),
    SurrogateActivation(f.Staircase(Learnable(0.5)), d.ClipNorm(1.0)),
    SurrogateActivation(f.Staircase(Learnable(torch.tensor([[0.3], [0.5], [0.8]]))), d.Box()),
    SurrogateActivation(f.Heaviside(Learnable(0.3)), d.Blurred(width=0.4)),
    SurrogateActivation(f.Ternary(Learnable(0.3)), d.Directional(d.Constant(), d.Box())),
    SurrogateActivation(f.MultiSpike(Learnable(0.3), most=3), d.DerivativeOf(torch.tanh)),
    SurrogateActivation(f.FakeQuantize(Learnable(0.1), quant_min=-4, quant_max=3), d.Box()),
    SurrogateActivation(f.UniformQuantizer(3, Learnable(-0.5), Learnable(0.7)), d.Box()),
    SurrogateActivation(f.Swish(Learnable(1.5)), d.Constant()),
    SurrogateActivation(f.SoftStaircase(Learnable(0.4), Learnable(0.5)), d.Exact()),
]


@pytest.mark.parametrize("pair", LEARNED, ids=str)
def test_gradients_of_parameters(pair: SurrogateActivation) -> None:
    report = surrogate.check(pair, modes=["gradients of parameters", "backward"])
    assert {row.verdict for row in report.rows} == {"right"}, str(report)


def test_a_step_that_is_blind_to_what_moves_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f.Staircase, "placed", lambda self, x: x)
    (row,) = surrogate.check(LEARNED[0], modes=["gradients of parameters"], dtypes=FLOAT32).rows
    assert row.verdict == "WRONG"
    assert row.error is not None
    assert row.error > 0.01


def test_an_input_that_is_written_into() -> None:
    for change, where in (
        (lambda x: x.mul_(2), "forward"),
        (lambda x: x.mul_(2) if len(x) == 8 else 2 * x, "vmap"),
        (lambda x: x.mul_(2) if torch.is_inference_mode_enabled() else 2 * x, "inference mode"),
    ):
        (row,) = surrogate.check(Lax(change), modes=["input left alone"], dtypes=FLOAT32).rows
        assert (row.verdict, row.note) == ("WRONG", f"it writes into its input in {where}")
    pair = SurrogateActivation(lambda x: x.mul_(2), d.Constant(2.0))
    (row,) = surrogate.check(pair, modes=["input left alone"], dtypes=FLOAT32).rows
    assert row.verdict == "refuses"


def test_sizes_that_are_compiled_anew() -> None:
    names = ["compiled, dynamic shapes"]
    by_size = lambda x: x * x if x.numel() > 1000 else x * x.clone()
    (row,) = surrogate.check(by_size, modes=names, dtypes=FLOAT32).rows
    assert (row.verdict, row.note) == ("WRONG", "2 graphs are compiled for three sizes")
    for pair in (surrogate.get("staircase_blurred"), LEARNED[0], off(d.Constant())):
        (row,) = surrogate.check(pair, modes=names, dtypes=FLOAT32).rows
        assert row.verdict == ("WRONG" if "Sigmoid" in str(pair) else "right"), row


def test_a_compiled_pair_within_vmap() -> None:
    names = ["compiled, then vmap", "compiled vmap(grad) over samples"]
    for pair in (surrogate.get("relu_blurred"), LEARNED[0], off(d.Constant())):
        report = surrogate.check(pair, modes=names, dtypes=FLOAT32)
        wanted = "WRONG" if "Sigmoid" in str(pair) else "right"
        assert {row.verdict for row in report.rows} == {wanted}, str(report)


def one_hot(x: Tensor) -> Tensor:
    return (x.argmax(-1, keepdim=True) == torch.arange(x.shape[-1])).to(x.dtype)


@pytest.mark.parametrize(
    "pair",
    [
        SurrogateActivation(one_hot, d.DerivativeOf(lambda x: x.softmax(-1))),
        SurrogateActivation(one_hot, d.DerivativeOf(lambda x, value: (x * value).softmax(-1) * x)),
        SurrogateActivation(f.MagnitudeSign(), d.MeanMagnitude() * d.Box()),
        SurrogateActivation(f.Sign(), d.Centralise(derivative=d.DerivativeOf(f.Tanh()))),
        SurrogateActivation(f.Sign(), d.ClipNorm(0.5)),
        SurrogateActivation(f.Sign(), lambda x, grad_output: grad_output - grad_output.mean()),
        torch.nn.Softmax(-1),
    ],
    ids=shown,
)
def test_what_is_not_elementwise(pair: Any) -> None:
    """Rows of elements by themselves do not apply, which is said once; the rest are right."""
    report = surrogate.check(pair, compiled=False, dtypes=DTYPES[:2])
    report.raise_if_wrong()
    reason = "n/a: an element's value or derivative depends on the other elements"
    (line,) = (line for line in str(report).splitlines() if line.startswith(reason))
    for mode in ("value in vmap", "backward of a large tensor", "hessian", "layout kept"):
        assert mode in line
    found = verdicts(report)
    for mode in ("value", "backward", "func.vjp", "vmap(grad) over samples", "checkpoint"):
        assert found[mode] == "right"
    assert found["func.jvp"] in ("right", "refuses")


def test_forward_mode_of_what_is_not_elementwise_is_the_transpose() -> None:
    matrix = torch.randn(32, 32, dtype=torch.float64)
    pair = SurrogateActivation(torch.sign, d.DerivativeOf(lambda x: torch.tanh(x @ matrix)))
    names = ["backward", "func.jvp", "forward-mode AD"]
    found = verdicts(surrogate.check(pair, modes=names, dtypes=[torch.float64]))
    assert set(found.values()) == {"right"}


@pytest.mark.parametrize("name", few_of(surrogate.names()))
def test_the_catalogue_is_right(name: str) -> None:
    report = surrogate.check(surrogate.get(name), compiled=False)
    report.raise_if_wrong()
    allowed = {"right", "refuses"} if name == "relu_directional" else {"right"}
    nowhere = {"CUDA graph", "memory for backward", "exported extremes"}
    nowhere |= {"shared draws", "gradients of parameters"}
    for row in report.rows:
        assert row.verdict in allowed | ({"n/a"} if row.mode in nowhere else set()), row
    found = verdicts(report)
    assert (found["shared draws"] == "right") == ("Drawn" in str(surrogate.get(name)))
    learns = "Learnable" in repr(surrogate.get(name).function)
    assert (found["gradients of parameters"] == "right") == learns
    assert len(report.rows) == 4 * len(
        [e for e in (*MODES.values(), *PROPERTIES.values()) if not e.compiled]
    )


@pytest.mark.parametrize(
    "text",
    [
        "perlin(resolution=1000)",
        "SoftStaircase(step=0.3) / Exact()",
        "Staircase(step=0.3) / Blurred(width=0.05)",
        "Staircase(step=0.001) / Blurred(width=0.15)",
        "Staircase(step=0.001) / Directional(width=0.1)",
        "Sin() / Blurred(width=10)",
        "ReLU() / Directional()",
        "Cantor(depth=14, extend='clamp') / Blurred(width=0.1, kernel='logistic')",
    ],
)
def test_extremes_of_short_periods(text: str) -> None:
    names = ["value exported", "layout kept", "extremes", "exported extremes"]
    surrogate.check(surrogate.get(text), modes=names).raise_if_wrong()


def test_compiled_modes_are_right() -> None:
    names = [e.name for e in (*MODES.values(), *PROPERTIES.values()) if e.compiled]
    report = surrogate.check(surrogate.get("relu_noisy"), modes=names, dtypes=FLOAT32)
    assert set(verdicts(report).values()) == {"right"}, str(report)
    report = surrogate.check(
        surrogate.get("staircase_blurred"), modes=["compiled extremes"], dtypes=FLOAT32
    )
    assert report.ok, str(report)
    names = ["compiled func.grad", "compiled func.jvp", "compiled hessian"]
    report = surrogate.check(surrogate.get("relu_directional"), modes=names, dtypes=FLOAT32)
    assert list(verdicts(report).values()) == ["right", "refuses", "refuses"], str(report)


def test_what_is_checked_is_a_copy() -> None:
    pair = SurrogateActivation(nn.PReLU(), d.Constant(2.0))
    before = pair.state_dict()
    surrogate.check(pair, compiled=False, dtypes=[torch.float16]).raise_if_wrong()
    assert pair.training
    assert pair.state_dict().keys() == before.keys()
    weight = pair.get_parameter("function.weight")
    assert weight.dtype == torch.float32
    assert weight.grad is None


def test_errors_that_explain_nothing() -> None:
    def broken(x: Tensor) -> Tensor:
        raise KeyError("lost")

    report = surrogate.check(broken, modes=["value in vmap"], dtypes=FLOAT32)
    assert report.rows == (Row("value in vmap", torch.float32, "error", None, "KeyError: 'lost'"),)
    assert not report.ok
    with pytest.raises(TypeError, match=r"check takes a pair.*, got 'relu'"):
        surrogate.check("relu")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"check: modes must be several names, got 'value'"):
        surrogate.check(broken, modes="value")
    with pytest.raises(ValueError, match=r"unknown mode 'func.grid'; did you mean 'func.grad'"):
        surrogate.check(broken, modes=["func.grid"])


def test_the_report_prints_as_a_table() -> None:
    lie = off(d.Constant())
    report = surrogate.check(lie, modes=["backward", "CUDA graph"], dtypes=DTYPES[:2])
    with pytest.raises(AssertionError) as raised:
        report.raise_if_wrong()
    lines = str(raised.value).splitlines()
    assert lines[0] == "Sigmoid() / Constant()"
    assert lines[2].split() == ["float64", "float32"]
    assert lines[3].split() == ["backward", "WRONG", "1e-02", "WRONG", "1e-02"]
    if not torch.cuda.is_available():
        assert lines[-1] == "n/a: no GPU here (CUDA graph)"


def test_saved_bytes() -> None:
    x = torch.randn(1000)
    for name, element in (("cantor2", 0), ("sign_ste", 1), ("relu_blurred", 4), ("relu", 4)):
        assert surrogate.get(name).saved_bytes(x) == element * 1000
    assert surrogate.get("relu_blurred").saved_bytes(x.half()) == 2000
    assert surrogate.get("relu_blurred").saved_bytes(x.requires_grad_()) == 4000
    assert surrogate.saved_bytes(lambda x: x * x + x * x, x) == 4000  # x, once
    assert surrogate.saved_bytes(nn.PReLU(), x) == 4000  # not the parameter
    with torch.no_grad():
        assert surrogate.get("relu_blurred").saved_bytes(x) == 4000


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "matrix.md"
    arguments = ["cantor2", "sign_ste", "--no_compile", "--markdown", str(file)]
    assert command.main(arguments) == 0
    assert "right 0e+00" in capsys.readouterr().out
    text = file.read_text(encoding="utf-8")
    assert "0 WRONG, 0 error." in text
    assert "| cantor2 | right |" in text
    assert "| backward | 8 | 0 | 0 | 0 | 0 |" in text
    for bad in ([], ["cantor3"], ["cantor2", "--markdown", str(tmp_path / "absent" / "matrix.md")]):
        with pytest.raises(SystemExit) as left:
            command.main(bad)
        assert left.value.code == 2
    said = capsys.readouterr().err
    assert "did you mean 'cantor'" in said
    assert "absent is not a folder" in said

    monkeypatch.setattr(command, "names", lambda: ["lie"])
    monkeypatch.setattr(command, "get", lambda text: off(d.Constant()))
    assert command.main(["--all", "--no_compile", "--markdown", str(file)]) == 1
    assert "backward, torch.float64: WRONG 1e-02" in capsys.readouterr().out
    assert "| backward | 1 | 0 | 0 | 3 | 0 |" in file.read_text(encoding="utf-8")


def test_python_m() -> None:
    arguments = [sys.executable, "-W", "error::RuntimeWarning", "-m", "surrogate.check"]
    done = subprocess.run([*arguments, "linear", "--no_compile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "RuntimeWarning" not in done.stderr
    assert callable(surrogate.check)
