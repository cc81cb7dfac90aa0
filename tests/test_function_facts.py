"""What functions say of themselves: periods, straight parts, ties, and what they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import surrogate
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.diagnostics.check import DTYPES
from surrogate.functions.base import PiecewiseConstant
from tests import reference

OURS = reference.FIXED
PERIODIC = [function for function in OURS if function.period is not None]
STRAIGHT = [function for function in OURS if function.straight_outside is not None]
GRID = torch.arange(-1600, 1601).double() / 160  # −10 to 10; every tie below is on it


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def tensor(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize("function", PERIODIC, ids=repr)
def test_a_period_later_it_is_the_same_but_for_a_constant(function: f.Function) -> None:
    assert function.period is not None
    x = 5 * torch.randn(2000).double()
    for periods in (1, 3, -7):
        rise = function(x + periods * function.period) - function(x)
        assert float(rise.max() - rise.min()) < 1e-9
    shorter = function(x + function.period / 2) - function(x)
    linear = function == f.SoftStaircase(2.0, 1.0)
    assert linear or float(shorter.max() - shorter.min()) > 1e-3  # none that is shorter


@pytest.mark.parametrize("function", STRAIGHT, ids=repr)
def test_outside_it_is_straight(function: f.Function) -> None:
    assert function.straight_outside is not None
    low, high = function.straight_outside
    away = torch.cat([torch.linspace(1e-6, 1, 50), torch.linspace(1, 100, 50)]).double()
    for side in (low - away, high + away):
        ends, middle = side[[0, -1]], side[1:-1]
        share = (middle - ends[0]) / (ends[1] - ends[0])
        at_ends = function(ends)
        line = at_ends[0] + share * (at_ends[1] - at_ends[0])
        torch.testing.assert_close(function(middle), line, rtol=1e-14, atol=1e-14)


def test_few_functions_say_nothing_of_themselves() -> None:
    """The others are blurred by a table or in closed form."""
    silent = {type(fn) for fn in OURS if fn.period is None and fn.straight_outside is None}
    assert silent == {f.Softsign, f.Polynomial, f.Trunc, f.MultiSpike}


@pytest.mark.parametrize("function", OURS, ids=repr)
def test_piecewise_constant_functions_are_those_with_the_slope_zero(function: f.Function) -> None:
    x = torch.randn(1000).double()
    flat = not function.slope(x).any()
    constant = function == f.Polynomial((0.25,))
    assert flat == (isinstance(function, PiecewiseConstant) or constant)


TORCH: list[tuple[f.Function, nn.Module]] = [
    (f.Identity(), nn.Identity()),
    (f.ReLU(), nn.ReLU()),
    (f.LeakyReLU(0.2), nn.LeakyReLU(0.2)),
    (f.ELU(1.5), nn.ELU(1.5)),
    (f.CELU(), nn.CELU()),
    (f.CELU(0.5), nn.CELU(0.5)),
    (f.SELU(), nn.SELU()),
    (f.ReLU6(), nn.ReLU6()),
    (f.Threshold(0.25, -1.0), nn.Threshold(0.25, -1.0)),
    (f.Hardtanh(), nn.Hardtanh()),
    (f.Hardtanh(-2.0, 0.5), nn.Hardtanh(-2.0, 0.5)),
    (f.Hardsigmoid(), nn.Hardsigmoid()),
    (f.Hardswish(), nn.Hardswish()),
    (f.Hardshrink(), nn.Hardshrink()),
    (f.Hardshrink(0.25), nn.Hardshrink(0.25)),
    (f.Softshrink(), nn.Softshrink()),
    (f.Softshrink(0.25), nn.Softshrink(0.25)),
    (f.Tanhshrink(), nn.Tanhshrink()),
    (f.Softsign(), nn.Softsign()),
    (f.Softplus(), nn.Softplus()),
    (f.Softplus(4.0, 10.0), nn.Softplus(4.0, 10.0)),
    (f.LogSigmoid(), nn.LogSigmoid()),
    (f.Sigmoid(), nn.Sigmoid()),
    (f.Tanh(), nn.Tanh()),
    (f.SiLU(), nn.SiLU()),
    (f.Swish(), nn.SiLU()),
    (f.Mish(), nn.Mish()),
    (f.GELU(), nn.GELU()),
    (f.GELU("tanh"), nn.GELU("tanh")),
]


@pytest.mark.parametrize(("ours", "torchs"), TORCH, ids=lambda part: repr(part))
def test_torchs_activations_and_their_gradients(ours: f.Function, torchs: nn.Module) -> None:
    """Also at the corners, but where torch's versions differ; torch's 1/6 is one of float32."""
    torch.testing.assert_close(ours(GRID), torchs(GRID), rtol=1e-13, atol=1e-13)
    allowed = 1e-7 if isinstance(ours, (f.Hardsigmoid, f.Hardswish)) else 1e-12
    x = GRID[GRID.abs() != 3] if isinstance(ours, f.Hardswish) else GRID
    torch.testing.assert_close(ours.slope(x), gradient(torchs, x), rtol=allowed, atol=allowed)


def test_fake_quantize_is_torchs() -> None:
    x = torch.linspace(-4, 4, 1001)
    for scale, zero_point, least, most in ((0.0625, 0, -128, 127), (0.25, 3, 0, 7)):
        expected = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, least, most)
        assert torch.equal(f.FakeQuantize(scale, zero_point, least, most)(x), expected)


@pytest.mark.parametrize(
    ("function", "ties", "values", "slopes"),
    [
        (f.Heaviside(0.5), [0.5], [1], [0]),
        (f.Heaviside(0.5, at_zero=0.0), [0.5], [0], [0]),
        (f.Sign(), [0], [0], [0]),
        (f.Threshold(0.5, -1.0), [0.5], [-1], [0]),
        (f.Clamp(-1.0, 2.0), [-1, 2], [-1, 2], [0, 0]),
        (f.Clamp(-1.0, None), [-1], [-1], [0]),
        (f.Clamp(None, 2.0), [2], [2], [0]),
        (f.Hardtanh(), [-1, 1], [-1, 1], [0, 0]),
        (f.ReLU6(), [0, 6], [0, 6], [0, 0]),
        (f.Hardsigmoid(), [-3, 3], [0, 1], [0, 0]),
        (f.Hardswish(), [-3, 3], [0, 3], [0, 1]),
        (f.Hardshrink(), [-0.5, 0.5], [0, 0], [0, 0]),
        (f.Softshrink(), [-0.5, 0.5], [0, 0], [0, 0]),
        (f.Softshrink(0.0), [0], [0], [0]),
        (f.Ternary(), [-0.5, 0.5], [0, 0], [0, 0]),
        (f.FTSwish(), [0], [-0.2], [0]),
        (f.TReLU(-0.5, 0.25), [0], [-0.75], [0]),
        (f.TiltReLU(-0.79788456), [0], [0], [0]),
        (f.GeneralReLU(0.25, 0.5, 2.0), [0, 2.5], [-0.5, 2], [0.25, 0]),
        (f.CELU(), [0], [0], [1]),
        (f.SELU(), [0], [0], [1.7580993408473766]),
        (f.TriangleWave(), [-1, 0, 1, 2, 3], [-1, 0, 1, 0, -1], [-1, 1, -1, -1, -1]),
        (f.SquareWave(), [-4, -2, 0, 2, 4], [1, -1, 1, -1, 1], [0] * 5),
        (f.SawtoothWave(), [-2, 0, 1, 2], [-1, 0, 0.5, -1], [0.5] * 4),
        (f.Round(), [-1.5, -0.5, 0.5, 1.5], [-2, 0, 0, 2], [0] * 4),
        (f.Floor(), [-1, 0, 1], [-1, 0, 1], [0] * 3),
        (f.Ceil(), [-1, 0, 1], [-1, 0, 1], [0] * 3),
        (f.Trunc(), [-1, 0, 1], [-1, 0, 1], [0] * 3),
        (f.MultiSpike(0.5, 2), [-0.5, 0, 0.5, 1, 1.5], [0, 0, 1, 2, 2], [0] * 5),
        (f.UniformQuantizer(1), [-1, 0, 1], [-1, -1, 1], [0] * 3),
        (f.FakeQuantize(0.5), [-0.25, 0.25, 0.75], [0, 0, 1], [0] * 3),
    ],
    ids=repr,
)
def test_ties(
    function: f.Function, ties: list[float], values: list[float], slopes: list[float]
) -> None:
    x = tensor(*ties)
    torch.testing.assert_close(function(x), tensor(*values), rtol=0, atol=1e-15)
    torch.testing.assert_close(function.slope(x), tensor(*slopes), rtol=1e-15, atol=0)
    torch.testing.assert_close(gradient(function, x), tensor(*slopes), rtol=1e-15, atol=0)


@pytest.mark.parametrize("function", OURS, ids=repr)
def test_far_out_autograd_reports_the_slope(function: f.Function) -> None:
    """Where squares and exponentials overflow."""
    far = torch.tensor([-1e30, -1e5, 1e5, 1e30])
    reported = gradient(function, far).double()
    if function.period is not None:  # a wave has no limit
        assert reported.isfinite().all()
        return
    slope = function.slope(far.double()).float().double()
    torch.testing.assert_close(reported, slope, rtol=1e-6, atol=1e-9)


# torch's forward mode still uses torch.jit itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
@pytest.mark.parametrize("function", OURS, ids=repr)
def test_compiled_and_transformed_it_is_the_same(function: f.Function) -> None:
    extremes = [0.0, -0.0, 1e30, -1e30, math.inf, -math.inf, math.nan]
    x = torch.cat([torch.tensor(extremes), torch.randn(40)])
    both = torch.compile(
        lambda x: (function(x), function.slope(x)), fullgraph=True, backend="aot_eager"
    )
    expected = function(x), function.slope(x)
    torch.testing.assert_close(both(x), expected, equal_nan=True)
    ordinary, slope = x[7:], expected[1][7:]
    forward_mode = torch.func.jvp(function, (ordinary,), (torch.ones_like(ordinary),))[1]
    torch.testing.assert_close(forward_mode, slope, rtol=1e-5, atol=1e-6)
    each = torch.func.vmap(torch.func.grad(function))(ordinary)
    torch.testing.assert_close(each, slope, rtol=1e-5, atol=1e-6)


def test_plain_entries_take_the_arguments_of_their_function() -> None:
    assert surrogate.get("general_relu(leak=0.2)").function == f.GeneralReLU(leak=0.2)
    assert surrogate.get("hardtanh(-2, high=2)").function == f.Hardtanh(-2, 2)
    with pytest.raises(ValueError, match="has no argument 'leek'; did you mean 'leak'"):
        surrogate.get("general_relu(leek=0.2)")


def test_the_shifted_rectifiers_are_the_rectifiers_shifted() -> None:
    for shifted, plain, shift in (
        (f.TReLU(), f.ReLU(), -0.22),
        (f.FTSwishPlus(), f.FTSwish(), 0.05),
        (f.LightReLU(most=1e9), f.LiSHT(), -0.46),
        (f.GeneralReLU(most=1e9), f.LeakyReLU(0.1), -0.4),
        (f.Softplus(1e4), f.ReLU(), 0.0),
        (f.Swish(1e4), f.ReLU(), 0.0),
    ):
        torch.testing.assert_close(shifted(GRID), plain(GRID) + shift, rtol=0, atol=1e-4)


def test_uniform_quantizer_has_its_levels_and_stays_near() -> None:
    for bits in (1, 2, 8, 16):
        quantizer = f.UniformQuantizer(bits, -0.5, 2.0)
        x = torch.linspace(-0.5, 2.0, 200_001, dtype=torch.float64)
        y = quantizer(x)
        assert len(y.unique()) == 2**bits
        assert (y[0], y[-1]) == (-0.5, 2.0)
        assert (y - x).abs().max() <= 2.5 / (2**bits - 1) / 2 + 1e-12
        assert quantizer(tensor(-9.0, 9.0)).tolist() == [-0.5, 2.0]


def test_polynomials_take_lists_and_compare_by_value() -> None:
    line = f.Polynomial([0.0, 1.0])  # type: ignore[arg-type]
    assert line == f.Polynomial((0.0, 1.0))
    assert hash(line) == hash(f.Polynomial((0.0, 1.0)))
    assert repr(line) == "Polynomial(coefficients=(0.0, 1.0))"
    ends = tensor(-math.inf, math.inf)
    assert f.Polynomial((1.0, 2.0, 0.0))(ends).tolist() == [-math.inf, math.inf]
    assert f.Polynomial((1.0, -2.0, 3.0))(ends).tolist() == [math.inf, math.inf]
    assert f.Polynomial((0.0,))(tensor(math.inf, math.nan)).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: f.CELU(0.0), ValueError, "CELU: alpha must be a finite number above 0, got 0"),
        (lambda: f.Swish(-1.0), ValueError, "Swish: beta must be a finite number above 0"),
        (lambda: f.Softplus(threshold=-1.0), ValueError, "Softplus: threshold .* at least 0"),
        (lambda: f.Clamp(None, None), ValueError, "Clamp: low or high must be given"),
        (lambda: f.Clamp(1.0, 1.0), ValueError, "Clamp: high must be a finite number above 1"),
        (lambda: f.Hardtanh(2.0), ValueError, "Hardtanh: high must be a finite number above 2"),
        (lambda: f.Hardshrink(-0.1), ValueError, "Hardshrink: threshold"),
        (lambda: f.Softshrink(-0.1), ValueError, "Softshrink: threshold"),
        (lambda: f.Ternary(-0.1), ValueError, "Ternary: threshold"),
        (lambda: f.GeneralReLU(leak=-0.1), ValueError, "GeneralReLU: leak"),
        (lambda: f.GeneralReLU(most=-0.4), ValueError, "GeneralReLU: most .* above -0.4"),
        (lambda: f.LightReLU(most=-0.5), ValueError, "LightReLU: most"),
        (lambda: f.FTSwishPlus(mean_shift=math.nan), ValueError, "FTSwishPlus: mean_shift"),
        (lambda: f.TriangleWave(0.0), ValueError, "TriangleWave: period"),
        (lambda: f.SquareWave(-1.0), ValueError, "SquareWave: period"),
        (lambda: f.SawtoothWave(math.inf), ValueError, "SawtoothWave: period"),
        (lambda: f.MultiSpike(0.0), ValueError, "MultiSpike: threshold"),
        (lambda: f.MultiSpike(most=0), ValueError, "MultiSpike: most must be an integer"),
        (lambda: f.UniformQuantizer(17), ValueError, "bits must be an integer at least 1 and at"),
        (lambda: f.UniformQuantizer(low=1.0), ValueError, "UniformQuantizer: high"),
        (lambda: f.FakeQuantize(zero_point=128), ValueError, "zero_point .* at most 127, got 128"),
        (lambda: f.FakeQuantize(1.0, 5, 5, 5), ValueError, "FakeQuantize: quant_max .* above 5"),
        (lambda: f.FakeQuantize(zero_point=0.5), TypeError, "zero_point must be an integer"),  # type: ignore[arg-type]
        (lambda: f.Polynomial(()), ValueError, r"must be 1 to 1000 finite numbers, got \(\)"),
        (lambda: f.Polynomial((1.0, math.inf)), ValueError, "finite numbers, got"),
        (lambda: f.Polynomial((1.0, "2")), TypeError, "finite numbers, got"),  # type: ignore[arg-type]
        (lambda: f.Polynomial(3.0), TypeError, "finite numbers, got 3.0"),  # type: ignore[arg-type]
        (lambda: f.Polynomial((True,)), TypeError, "finite numbers, got"),
    ],
)
def test_bad_arguments_are_named(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("function", [each for each in OURS if each.native], ids=repr)
def test_what_is_left_to_autograd_keeps_one_tensor_at_most(function: f.Function) -> None:
    x = torch.linspace(-3, 3, 100)
    assert surrogate.saved_bytes(function, x) <= x.numel() * x.element_size()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("function", OURS, ids=repr)
def test_the_truth_keeps_one_tensor_at_most(function: f.Function, dtype: torch.dtype) -> None:
    """Of the input's dtype; and it is the truth all the same."""
    x = torch.linspace(-3, 3, 100).to(dtype)
    pair = surrogate.SurrogateActivation(function, d.Exact())
    most = 0 if isinstance(function, PiecewiseConstant) else x.numel() * x.element_size()
    assert pair.saved_bytes(x) <= most
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(pair(x).sum(), x)
    (expected,) = torch.autograd.grad(function(x).sum() + 0 * x.sum(), x)
    few_units = 64 * torch.finfo(dtype).eps * float(expected.abs().max())
    torch.testing.assert_close(gradient, expected, rtol=0, atol=few_units)
