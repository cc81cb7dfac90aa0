"""The pair as a module: what users build, call, copy, move and train."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.catalogue import catalogue
from surrogate.derivatives.base import DerivativeLike
from surrogate.functions.base import Elementwise
from tests.ids import shown

NAMES = surrogate.names()


def reported(pair: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(pair(x).sum(), x)
    return gradient


def test_catalogue_has_the_promised_names() -> None:
    promised = (
        "linear relu leaky_relu rrelu elu gelu silu sigmoid tanh sin cantor cantor2 staircase "
        "staircase_soft staircase_blurred perlin1 perlin4 perlin16 relu_directional relu_noisy "
        "relu_blurred sign_ste heaviside_blurred"
    )
    assert set(promised.split()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_forward_is_the_function_bit_for_bit(name: str) -> None:
    pair = surrogate.get(name).eval()
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        x = torch.randn(1000).to(dtype)
        y = pair(x.clone().requires_grad_())
        assert y.dtype == dtype
        assert torch.equal(y.detach(), pair.function(x))


@pytest.mark.parametrize("name", NAMES)
def test_backward_is_the_derivative_in_every_dtype(name: str) -> None:
    pair = surrogate.get(name).eval()
    x = torch.randn(1000).bfloat16()  # so that all dtypes see the same numbers
    upstream = torch.randn(1000).bfloat16()
    expected = pair.reported_gradient(x.double(), upstream.double())
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        at = x.to(dtype).requires_grad_()
        (gradient,) = torch.autograd.grad(pair(at), at, upstream.to(dtype))
        assert gradient.dtype == dtype
        eps = torch.finfo(dtype).eps
        torch.testing.assert_close(gradient.double(), expected, rtol=4 * eps, atol=2e-5 + eps)


def test_straight_through_returns_the_upstream_gradient() -> None:
    x = torch.randn(100, requires_grad=True)
    upstream = torch.randn(100)
    (gradient,) = torch.autograd.grad(surrogate.get("cantor2")(x), x, upstream)
    assert torch.equal(gradient, upstream)


def test_lambdas_modules_and_builtins_make_pairs() -> None:
    x = torch.randn(100)
    for function in (lambda x: (x > 0).to(x), nn.Hardtanh(), torch.tanh):
        for derivative, expected in (
            (lambda x: 1 / (1 + x.abs()) ** 2, 1 / (1 + x.abs()) ** 2),
            (lambda x, grad_output: 3 * grad_output, torch.full((100,), 3.0)),
            (torch.exp, x.exp()),
            (nn.Sigmoid(), x.sigmoid()),
            (d.Constant(0.5), torch.full((100,), 0.5)),
        ):
            pair = SurrogateActivation(function, derivative)
            assert torch.equal(pair(x), function(x))
            torch.testing.assert_close(reported(pair, x), expected)


def test_parameters_of_the_function_get_their_true_gradient() -> None:
    prelu = nn.PReLU(3)
    pair = SurrogateActivation(prelu, d.Constant(1.0))
    x = torch.randn(5, 3, requires_grad=True)
    upstream = torch.randn(5, 3)
    pair(x).backward(upstream)
    assert torch.equal(x.grad, upstream)  # type: ignore[arg-type]
    truth = torch.autograd.grad(prelu(x.detach()), prelu.weight, upstream)[0]
    assert torch.equal(prelu.weight.grad, truth)  # type: ignore[arg-type]
    assert set(pair.state_dict()) == {"function.weight"}


def test_modules_in_a_derivative_belong_to_the_pair() -> None:
    pair = SurrogateActivation(f.Heaviside(), d.DerivativeOf(nn.PReLU()))
    assert len(list(pair.parameters())) == 1
    pair.double()
    assert reported(pair, torch.randn(4, dtype=torch.float64)).dtype == torch.float64


def test_a_function_that_captures_a_parameter() -> None:
    scale = torch.tensor(2.0, requires_grad=True)
    pair = SurrogateActivation(lambda x: torch.round(x) * scale, d.Constant(1.0))
    x = torch.randn(10, requires_grad=True)
    of_x, of_scale = torch.autograd.grad(pair(x).sum(), (x, scale))
    assert torch.equal(of_x, torch.ones(10))
    torch.testing.assert_close(of_scale, x.detach().round().sum())


def test_decorator() -> None:
    @surrogate.with_derivative(d.Blurred(width=0.5))
    def spike(x: Tensor) -> Tensor:
        return (x > 0).to(x)

    assert isinstance(spike, SurrogateActivation)
    at = torch.zeros(1, dtype=torch.float64)
    assert float(reported(spike, at)) == pytest.approx(0.7979, rel=0.01)


def test_both_parts_can_be_assigned() -> None:
    """The text, the value, the gradient, what is saved and the parameters are those of the new."""
    pair = SurrogateActivation(f.Staircase(), d.Blurred(width=Learnable(0.5)))
    x = torch.randn(50)
    pair.derivative = d.Constant(5.0)
    assert str(pair) == "Staircase() / Constant(value=5.0)"
    assert reported(pair, x).unique().tolist() == [5]
    assert pair.saved_bytes(x) == 0
    assert not list(pair.parameters())
    pair.function = f.Tanh()
    assert torch.equal(pair(x), x.tanh())
    pair.derivative = d.Exact()
    torch.testing.assert_close(reported(pair, x), 1 - x.tanh() ** 2)
    pair.function = f.Sin()  # whose derivative Exact is from now on
    torch.testing.assert_close(reported(pair, x), x.cos())
    pair.derivative = lambda x: 3 * x  # type: ignore[assignment]
    torch.testing.assert_close(reported(pair, x), 3 * x)
    pair.derivative = d.DerivativeOf(nn.PReLU())
    assert list(pair.state_dict()) == ["derivative_function.weight"]
    pair.function = nn.PReLU()
    assert list(pair.state_dict()) == ["function.weight", "derivative_function.weight"]
    pair.function = torch.sign
    assert list(pair.state_dict()) == ["derivative_function.weight"]
    assert torch.equal(pair(x), x.sign())


def test_what_is_refused_in_an_assignment_changes_nothing() -> None:
    pair = SurrogateActivation(f.Tanh(), d.Constant(2.0))
    with pytest.raises(TypeError, match="derivative must be a derivative"):
        pair.derivative = f.Sigmoid()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="function must be a callable"):
        pair.function = 3  # type: ignore[assignment]
    with pytest.raises(TypeError, match="use DerivativeOf"):
        SurrogateActivation(lambda x: x.softmax(0), d.Constant()).derivative = d.Blurred()
    assert str(pair) == "Tanh() / Constant(value=2.0)"
    x = torch.randn(5)
    assert torch.equal(pair(x), x.tanh())
    assert reported(pair, x).unique().tolist() == [2]


WRITERS = [
    lambda x: x.clamp_(min=0),
    lambda x: torch.where(x > 0, x, x.zero_()),
    lambda x: x[:1].zero_() + x,
    nn.Sequential(nn.ReLU(inplace=True)),
]


@pytest.mark.parametrize("derivative", [lambda x: torch.exp(-x * x), d.Constant(), d.Exact()])
@pytest.mark.parametrize("function", WRITERS, ids=shown)
def test_a_function_that_writes_into_its_input_is_refused(
    function: Elementwise, derivative: DerivativeLike
) -> None:
    pair = SurrogateActivation(function, derivative)
    for needs_grad in (True, False):
        x = torch.randn(5).requires_grad_(needs_grad) * 1.0
        with pytest.raises(RuntimeError, match=r"writes into its input.*\(inplace=False\)"):
            pair(x)


def test_a_function_may_write_into_what_it_made_itself() -> None:
    pair = SurrogateActivation(nn.Sequential(nn.Hardtanh(), nn.ReLU(inplace=True)), d.Constant(3.0))
    x = torch.randn(50)
    assert torch.equal(pair(x), x.clamp(0, 1))
    assert reported(pair, x).unique().tolist() == [3]


def test_what_says_that_it_writes_into_its_input_makes_no_pair() -> None:
    for function in (nn.ReLU(inplace=True), nn.Dropout(inplace=True)):
        with pytest.raises(
            ValueError, match=r"writes into its input.*: make it with inplace=False"
        ):
            SurrogateActivation(function, d.Constant())
    pair = SurrogateActivation(nn.ReLU(), d.Constant())
    with pytest.raises(ValueError, match="make it with inplace=False"):
        pair.function = nn.ReLU(inplace=True)


def test_where_torch_counts_no_versions_a_function_writes_into_a_copy() -> None:
    """Inference mode, transforms and compiled code."""
    pair = SurrogateActivation(torch.relu_, lambda x: torch.exp(-x * x))
    x = torch.randn(6)
    before = x.clone()
    with torch.inference_mode():
        in_inference = torch.randn(6)
        kept = in_inference.clone()
        assert torch.equal(pair(in_inference), kept.clamp(min=0))
        assert torch.equal(in_inference, kept)
        assert torch.equal(pair(x), before.clamp(min=0))
    with torch.no_grad():
        assert torch.equal(pair(in_inference), kept.clamp(min=0))
    slope = torch.exp(-before * before)
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
    leaf = x.requires_grad_()
    value = compiled(leaf)
    assert torch.equal(value, before.clamp(min=0))
    torch.testing.assert_close(torch.autograd.grad(value.sum(), leaf)[0], slope)
    each = torch.func.vmap(torch.func.grad(pair))(x.detach())
    torch.testing.assert_close(each, slope)
    assert torch.equal(x, before)
    assert torch.equal(in_inference, kept)


@pytest.mark.parametrize("name", NAMES)
def test_copies_are_equal(name: str) -> None:
    pair = surrogate.get(name)
    x = torch.randn(50)
    for other in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        assert str(other) == str(pair)
        assert torch.equal(reported(other.eval(), x), reported(pair.eval(), x))
        assert not {*map(id, other.parameters())} & {*map(id, pair.parameters())}
    buffer = io.BytesIO()
    torch.save(pair.state_dict(), buffer)
    buffer.seek(0)
    surrogate.get(name).load_state_dict(torch.load(buffer, weights_only=True))


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_does_not_change_the_derivative(name: str) -> None:
    if name == "rrelu":  # it is what evaluation means for RReLU
        return
    pair, x = surrogate.get(name), torch.randn(50)
    assert torch.equal(reported(pair.eval(), x), reported(pair.train(), x))


def test_the_output_may_be_changed_in_place_and_is_never_the_input() -> None:
    for pair in (
        SurrogateActivation(f.Identity(), d.Constant(0.5)),
        SurrogateActivation(lambda x: x.view_as(x), d.Constant(0.5)),
        SurrogateActivation(nn.PReLU(), d.Constant(0.5)),
        surrogate.get("cantor2"),
    ):
        leaf = torch.randn(10, requires_grad=True)
        x = leaf * 1.0
        before = x.detach().clone()
        y = pair(x)
        y += 1
        y.sum().backward()
        assert torch.equal(x.detach(), before)
        expected = 1.0 if isinstance(pair.function, f.Cantor) else 0.5
        assert torch.equal(leaf.grad, torch.full((10,), expected))  # type: ignore[arg-type]


def test_nothing_is_recorded_without_need() -> None:
    pair = surrogate.get("cantor2")
    x = torch.randn(10)
    assert not pair(x).requires_grad
    with torch.no_grad():
        assert not pair(x.requires_grad_()).requires_grad
    with torch.inference_mode():
        assert torch.equal(pair(x), f.Cantor()(x.detach()))
    (gradient,) = torch.autograd.grad(pair(x).sum(), x)  # the tables of inference mode serve on
    assert torch.equal(gradient, torch.ones(10))


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_keeps_dtypes(low: torch.dtype) -> None:
    net = nn.Sequential(nn.Linear(4, 4), surrogate.get("staircase_blurred"), nn.Linear(4, 1))
    x = torch.randn(8, 4)
    with torch.autocast("cpu", dtype=low):
        y = net(x)
    assert y.dtype == low
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    "derivative",
    [d.Constant(2.0), d.Exact(), d.DerivativeOf(nn.PReLU()), nn.PReLU(), d.Directional()],
    ids=repr,
)
def test_autocast_of_a_function_that_it_casts(derivative: DerivativeLike, low: torch.dtype) -> None:
    """torch runs PReLU in half precision then; the pair keeps the dtype of its input."""
    pair = SurrogateActivation(nn.PReLU(), derivative)
    for dtype in (torch.float32, low):
        x = (torch.randint(-8, 8, (20,)) / 4 + 0.125).to(dtype).requires_grad_()
        upstream = torch.ones_like(x)
        with torch.autocast("cpu", dtype=low):
            y = pair(x)
            (inside,) = torch.autograd.grad(y, x, upstream, retain_graph=True)
        (outside,) = torch.autograd.grad(y, x, upstream)
        assert y.dtype == inside.dtype == outside.dtype == dtype
        expected = pair.reported_gradient(x.detach().float(), upstream.float())
        for gradient in (inside, outside):
            torch.testing.assert_close(gradient.float(), expected, rtol=0.02, atol=1e-3)


def test_text_of_a_pair() -> None:
    pair = SurrogateActivation(f.Staircase(step=0.5), 0.5 * d.Constant(2.0) + d.Blurred(width=0.3))
    assert str(pair) == "Staircase(step=0.5) / 0.5 * Constant(value=2.0) + Blurred(width=0.3)"
    assert repr(nn.Sequential(pair)).splitlines()[1] == f"  (0): {pair}"
    named = SurrogateActivation(lambda x: x.sign(), torch.tanh)
    assert str(named) == "<lambda> / <tanh>"
    assert pair.function == f.Staircase(step=0.5)
    assert pair.derivative == 0.5 * d.Constant(2.0) + d.Blurred(width=0.3)


@pytest.mark.parametrize(
    ("function", "derivative", "message"),
    [
        (3, d.Exact(), "function must be a callable"),
        (f.ReLU, d.Exact(), r"function must be a callable .*, got the class ReLU: write ReLU\("),
        (torch.relu, 1.0, "derivative must be a derivative, a callable of x"),
        (
            torch.relu,
            d.Exact,
            r"derivative must be a derivative.*, got the class Exact: write Exact\(",
        ),
        (torch.relu, lambda: 1, "takes 0 arguments"),
        (torch.relu, lambda x, g, h: x, "takes 3 arguments"),
        (
            f.Heaviside(),
            f.Sigmoid(),
            r"got the function Sigmoid\(\): write DerivativeOf\(Sigmoid\(\)\) to report its deriv",
        ),
    ],
)
def test_what_is_no_pair(function: object, derivative: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        SurrogateActivation(function, derivative)  # type: ignore[arg-type]


def test_a_function_is_no_part_of_a_derivative() -> None:
    for make, argument in (
        (lambda: d.Noisy(f.Sigmoid(), 0.1), "Noisy: derivative"),
        (lambda: d.Split(d.Box(), f.Sigmoid()), "Split: right"),
        (lambda: d.Directional(left=f.Sigmoid()), "Directional: left"),
        (lambda: d.ClipNorm(1.0, f.Sigmoid()), "ClipNorm: derivative"),
    ):
        with pytest.raises(TypeError, match=f"{argument} must be a derivative, got the function"):
            make()
    with pytest.raises(TypeError, match="unsupported operand"):
        f.Sigmoid() * d.Box()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("function", "derivative", "error", "message"),
    [
        (
            lambda x: x[1:],
            lambda x: x,
            ValueError,
            r"function <lambda> must keep the shape .*\(4,\) became \(3,\)",
        ),
        (lambda x: x > 0, lambda x: x, TypeError, "float32 became torch.bool"),
        (lambda x: 3.0, lambda x: x, TypeError, "must return a tensor, got float"),
        (lambda x: x[1:], d.Exact(), ValueError, "function <lambda> must keep the shape"),
        (torch.sign, lambda x: x.sum(), ValueError, "derivative .* keep the shape"),
        (torch.sign, lambda x: x.double(), TypeError, "derivative .* keep the dtype"),
        (torch.sign, lambda x, g: g[:1], ValueError, "derivative .* keep the shape"),
    ],
)
def test_shape_and_dtype_must_be_kept(
    function: object, derivative: object, error: type[Exception], message: str
) -> None:
    pair = SurrogateActivation(function, derivative)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        reported(pair, torch.randn(4))


def test_integers_are_refused() -> None:
    for pair in (surrogate.get("cantor2"), SurrogateActivation(torch.abs, d.Exact())):
        with pytest.raises(TypeError, match=r"real floating-point tensor, got dtype torch.int64"):
            pair(torch.arange(3))
        with pytest.raises(TypeError, match=r"takes a torch.Tensor, got list"):
            pair([1.0])


def test_register_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_entries", dict(catalogue._entries))
    before = surrogate.names()

    def spike_of_a_test(slope: float = 2.0) -> SurrogateActivation:
        return SurrogateActivation(f.Heaviside(), lambda x: slope * torch.exp(-x.abs()))

    surrogate.register(spike_of_a_test)
    assert surrogate.names() == [*before, "spike_of_a_test"]
    pair = surrogate.get("spike_of_a_test(slope=3)")
    assert pair is not surrogate.get("spike_of_a_test(slope=3)")
    assert reported(pair, torch.zeros(1)).tolist() == [3]
    with pytest.raises(ValueError, match="'spike_of_a_test' is registered already"):
        surrogate.register(spike_of_a_test)
    with pytest.raises(ValueError, match="must be a Python identifier"):
        surrogate.register(spike_of_a_test, "spike of a test")
    with pytest.raises(TypeError, match=r"the activation itself, got 'spike'; .*\(entry, name\)"):
        surrogate.register("spike")  # type: ignore[arg-type]


def test_no_warning_in_ordinary_use() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES:
            reported(surrogate.get(name), torch.randn(3))
