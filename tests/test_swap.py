"""Activations of a model that is not ours: replaced, listed, put back."""

from __future__ import annotations

import copy
import pickle
import re
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.nn.functional import gelu as gelu_by_another_name

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.models.swap_targets import ACTIVATIONS
from tests.training import losses


def modules(model: nn.Module) -> list[tuple[str, int]]:
    """Every module by name and identity."""
    return [(name, id(m)) for name, m in model.named_modules(remove_duplicate=False)]


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.GELU())


def test_the_example_on_resnet18() -> None:
    model: Any = torchvision.models.resnet18()
    keys, before = list(model.state_dict()), modules(model)
    swapped = surrogate.swap(model, {nn.ReLU: "relu_directional", "layer4.*": "cantor2"})
    directional, cantor2 = (str(surrogate.get(name)) for name in ("relu_directional", "cantor2"))
    expected = {"relu": directional, "layer4.0.relu": cantor2, "layer4.1.relu": cantor2}
    expected |= {f"layer{i}.{j}.relu": directional for i in (1, 2, 3) for j in (0, 1)}
    assert {r.names: str(r.now) for r in swapped.replaced} == {(k,): v for k, v in expected.items()}
    for name, pair in expected.items():
        assert str(model.get_submodule(name)) == pair
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    assert list(model.state_dict()) == keys
    assert swapped.left_alone == ()
    lines = str(swapped).splitlines()
    assert lines[0] == "9 activations replaced"
    assert lines[1] == f"  relu           ReLU(inplace=True)  →  {directional}"
    assert lines[-1] == f"  layer4.1.relu  ReLU(inplace=True)  →  {cantor2}"
    swapped.undo()
    assert modules(model) == before
    with pytest.raises(RuntimeError, match="this swap was undone before"):
        swapped.undo()


def test_resnet18_trains_with_replaced_activations() -> None:
    model: Any = torchvision.models.resnet18(num_classes=2)
    surrogate.swap(model, {nn.ReLU: "relu_directional", "layer4.*": "cantor2"})
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 2
    found = losses(model, lambda: F.cross_entropy(model(images), labels), 8, 1e-3)
    assert found[-1] < 0.5 * found[0]
    assert model.eval()(images).isfinite().all()


def test_the_reported_derivative_is_the_one_that_was_put_in() -> None:
    model: Any = small().double()
    surrogate.swap(model, {"1": "Staircase(step=0.5) / Constant(3)"})
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model[:2](x).sum(), x)
    weight = model[0].weight
    assert isinstance(weight, Tensor)
    torch.testing.assert_close(gradient, (3 * weight.sum(0)).expand(5, 2), rtol=1e-14, atol=0)
    assert torch.equal(model[:2](x), torch.round(model[0](x) / 0.5) * 0.5)


def test_every_elementwise_activation_of_torch_is_one() -> None:
    for kind in ACTIVATIONS[1:]:
        module = kind(1.0, 0.0) if kind is nn.Threshold else kind()
        model: Any = nn.ModuleDict({"act": module, "rest": nn.Linear(1, 1)})
        x = torch.rand(4, 6) + 0.1
        assert module(x).shape == x.shape
        with surrogate.swap(model, {"*": "cantor2"}) as swapped:
            assert [r.names for r in swapped.replaced] == [("act",)]
        assert model["act"] is module
    for other in (nn.Softmax(), nn.GLU(), nn.Dropout(), nn.Identity(), nn.MultiheadAttention(2, 1)):
        with pytest.raises(ValueError, match="the model has no modules that are activations"):
            surrogate.swap(nn.Sequential(other), {"*": "cantor2"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cantor2", "Cantor() / Constant()"),
        ("ReLU() / Box()", "ReLU() / Box()"),
        (SurrogateActivation(f.ReLU(), d.Constant(2.0)), "ReLU() / Constant(value=2.0)"),
        (partial(surrogate.get, "cantor"), "Cantor() / Exact()"),
        (surrogate.layer("cantor"), "Cantor() / Exact()"),
        (nn.Tanh, "Tanh()"),
        (nn.Softplus(2.0), "Softplus(beta=2.0, threshold=20.0)"),
    ],
)
def test_what_may_take_the_place(value: Any, expected: str) -> None:
    model: Any = nn.Sequential(nn.ReLU(), nn.ReLU())
    surrogate.swap(model, {nn.ReLU: value})
    assert [str(module) for module in model] == [expected] * 2
    assert model[0] is not model[1]
    assert value not in list(model)


def test_the_nearest_type_wins_and_a_name_wins_over_a_type() -> None:
    class Mine(nn.ReLU6):
        pass

    model: Any = nn.Sequential(nn.Hardtanh(), nn.ReLU6(), Mine(), Mine())
    surrogate.swap(model, {nn.Hardtanh: "tanh", nn.ReLU6: "relu", "[3]": "cantor"})
    assert [str(m) for m in model] == [
        *("Tanh() / Exact()", "ReLU() / Exact()", "ReLU() / Exact()", "Cantor() / Exact()")
    ]


def test_two_patterns_that_agree_may_claim_one_layer() -> None:
    model: Any = nn.Sequential(nn.ReLU(), nn.ReLU())
    assert len(surrogate.swap(model, {"*": "cantor", "1": "cantor"}).replaced) == 2


def test_a_type_that_is_a_key_counts_as_an_activation() -> None:
    class Spike(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(x)

    model: Any = nn.ModuleList([Spike(), nn.ReLU(), Spike(), nn.ModuleList([Spike()])])
    inner = model[0].inner
    with surrogate.swap(model, {Spike: "cantor", "2": "cantor2", nn.ReLU: "relu"}) as swapped:
        assert [r.names for r in swapped.replaced] == [("0",), ("1",), ("2",), ("3.0",)]
        assert isinstance(inner, nn.ReLU)  # it lies within what went
        assert swapped.left_alone == ()  # as does the call
    assert model[0].inner is inner
    with pytest.raises(ValueError, match=r"'0' is Spike, which is not known as an activation"):
        surrogate.swap(model, {"0": "cantor", nn.ReLU: "relu"})


def test_a_whole_name_claims_any_module_without_parts() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2), nn.Identity(), nn.ReLU())
    surrogate.swap(model, {"1": "cantor2"})
    assert isinstance(model[1], SurrogateActivation)


def test_pairs_can_be_replaced_and_nothing_within_them_is() -> None:
    prelu = nn.PReLU()
    model: Any = nn.Sequential(SurrogateActivation(prelu, d.Constant(1.0)), nn.PReLU())
    surrogate.swap(model, {nn.PReLU: "relu"})
    assert model[0].function is prelu
    assert isinstance(model[1], SurrogateActivation)
    surrogate.swap(model, {SurrogateActivation: nn.ReLU})
    assert [type(module) for module in model] == [nn.ReLU, nn.ReLU]


def test_a_shared_module_gets_a_shared_replacement() -> None:
    shared = nn.ReLU()
    block = nn.Sequential(nn.Linear(2, 2), shared)
    model: Any = nn.ModuleDict({"a": block, "b": block, "c": nn.Sequential(shared)})
    swapped = surrogate.swap(model, {nn.ReLU: "cantor2"})
    assert [r.names for r in swapped.replaced] == [("a.1", "b.1"), ("c.0",)]
    assert model["a"][1] is model["b"][1] is model["c"][0]
    assert "  a.1 = b.1  ReLU()  →  Cantor()" in str(swapped)
    swapped.undo()
    assert model["a"][1] is model["c"][0] is shared
    surrogate.swap(model, {"c.*": "cantor2"})
    assert model["b"][1] is shared
    assert model["c"][0] is not shared
    with pytest.raises(ValueError, match=r"'a.1' is claimed by two patterns: 'a.\*' and 'b.\*'"):
        surrogate.swap(model, {"a.*": "cantor2", "b.*": "cantor"})


def test_training_mode_device_and_dtype_are_taken_over_and_given_back() -> None:
    pair: Any = SurrogateActivation(nn.PReLU(), d.Constant(1.0))
    prelu = nn.PReLU().eval()
    model: Any = nn.Sequential(nn.Linear(2, 2), prelu, nn.RReLU().eval()).double()
    swapped = surrogate.swap(model, {nn.PReLU: pair, nn.RReLU: "rrelu"})
    assert pair.function.weight.dtype == torch.float32
    assert model[1].function.weight.dtype == torch.float64
    assert not model[1].training
    assert not model[2].training
    model.train().to("meta", torch.float16)
    swapped.undo()
    assert model[1] is prelu
    assert prelu.training
    assert model[2].training
    assert (prelu.weight.dtype, prelu.weight.device.type) == (torch.float16, "meta")


def test_a_dtype_of_its_own_survives() -> None:
    prelu = nn.PReLU()
    model: Any = nn.Sequential(nn.Linear(2, 2).half(), prelu)
    surrogate.swap(model, {nn.PReLU: "cantor2"}).undo()
    assert prelu.weight.dtype == torch.float32


def test_a_context_that_fails_is_undone_and_one_that_was_undone_ends() -> None:
    model: Any = small()
    before = modules(model)
    with pytest.raises(KeyError), surrogate.swap(model, {nn.ReLU: "cantor2"}):
        raise KeyError
    assert modules(model) == before
    with surrogate.swap(model, {nn.ReLU: "cantor2"}) as swapped:
        swapped.undo()
    assert modules(model) == before


def test_swaps_are_undone_in_reverse() -> None:
    model: Any = small()
    before = modules(model)
    first = surrogate.swap(model, {nn.ReLU: "cantor2"})
    second = surrogate.swap(model, {SurrogateActivation: "relu", nn.GELU: "gelu"})
    now = modules(model)
    with pytest.raises(RuntimeError, match="'1' is no longer the module that this swap put there"):
        first.undo()
    assert modules(model) == now
    second.undo()
    first.undo()
    assert modules(model) == before


def _no_module() -> nn.Module:
    return 3  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("replacements", "error", "message"),
    [
        ({}, ValueError, "replacements is empty"),
        ([nn.ReLU], TypeError, "must map types or names to activations, got"),
        ({3: "relu"}, TypeError, "must be a subclass of torch.nn.Module or a pattern .*, got 3"),
        ({int: "relu"}, TypeError, "must be a subclass of torch.nn.Module or a pattern .* int"),
        ({nn.ReLU: 3}, TypeError, r"replacements\[ReLU\] must be the text of a pair.* got 3"),
        ({"1": nn.Linear}, TypeError, r"replacements\['1'\] must be .* got Linear"),
        ({nn.ReLU: _no_module}, TypeError, r"replacements\[ReLU\] must make .* it made 3"),
        ({nn.ReLU: "rellu"}, ValueError, "unknown activation 'rellu'; did you mean 'relu'"),
        (
            {nn.ReLU: "relu", nn.SELU: "relu"},
            ValueError,
            "the model's activations are: 1 ReLU, 1 GELU; did you mean '.eLU'",
        ),
        (
            {"block.*": "relu"},
            ValueError,
            r"no activation has such a name; did you mean 'blocks.\*'",
        ),
        (
            {"ReLU": "relu"},
            ValueError,
            "it is the name of a type; types are given as such, without",
        ),
        ({"blocks.0": "relu"}, ValueError, "'blocks.0' is Linear, which is not known as an activ"),
        ({"*": "relu", nn.ReLU: "relu"}, ValueError, "ReLU replaces nothing: another key claims"),
        (
            {"blocks.*": "relu", "*.1": "gelu"},
            ValueError,
            r"'blocks.1' is claimed by two patterns: 'blocks.\*' and '\*.1'",
        ),
        (
            {nn.Module: "relu"},
            ValueError,
            "the model itself is ModuleDict, which can't",
        ),
    ],
)
def test_bad_input_changes_nothing(replacements: Any, error: type[Exception], message: str) -> None:
    model: Any = nn.ModuleDict({"blocks": small()})
    before = modules(model)
    with pytest.raises(error, match=message):
        surrogate.swap(model, replacements)
    assert modules(model) == before


def test_a_model_that_is_an_activation_or_none() -> None:
    for model in (nn.ReLU(), surrogate.get("relu")):
        with pytest.raises(ValueError, match=r"the model itself is .* can't be replaced in place"):
            surrogate.swap(model, {"*": "cantor2"})
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got ReLU"):
        surrogate.swap(cast(Any, nn.ReLU), {nn.ReLU: "cantor2"})


def test_an_error_half_way_is_rolled_back() -> None:
    class Sealed(nn.Sequential):
        def __setattr__(self, name: str, value: Any) -> None:
            if isinstance(value, SurrogateActivation):
                raise AttributeError("sealed")
            super().__setattr__(name, value)

    model: Any = nn.Sequential(nn.ReLU(), Sealed(nn.ReLU()))
    before = modules(model)
    with pytest.raises(AttributeError, match="sealed"):
        surrogate.swap(model, {nn.ReLU: "cantor2"})
    assert modules(model) == before


class Base(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.tail(torch.sigmoid(x))

    def tail(self, x: Tensor) -> Tensor:
        return x.tanh()


class Calls(Base):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.gate = partial(F.gelu, approximate="tanh")
        self.helper = SimpleNamespace(relu=torch.relu)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.act(x), inplace=False) + torch.nn.functional.silu(x)
        x = gelu_by_another_name(x) + self.helper.relu(x)
        x = self.relu(x) + x.exp() + torch.exp(x) + F.softmax(x, 0)
        return super().forward(x)

    @staticmethod
    def relu(x: Tensor) -> Tensor:
        return x.relu_()

    @torch.no_grad()
    def unused(self, x: Tensor) -> Tensor:
        return F.relu6(x)


def test_functional_calls_are_reported() -> None:
    swapped = surrogate.swap(nn.ModuleDict({"a": Calls(), "b": Calls()}), {nn.ReLU: "cantor2"})
    calls = {(call.owner, call.text): call for call in swapped.left_alone}
    assert set(calls) == {
        ("Calls.gate", "torch.nn.functional.gelu"),
        ("Calls.forward", "F.relu(self.act(x), inplace=False)"),
        ("Calls.forward", "torch.nn.functional.silu(x)"),
        ("Calls.forward", "gelu_by_another_name(x)"),
        ("Calls.relu", "x.relu_()"),
        ("Base.forward", "torch.sigmoid(x)"),
        ("Base.tail", "x.tanh()"),
    }
    assert all(call.modules == ("a", "b") for call in calls.values())
    call = calls["Calls.relu", "x.relu_()"]
    with open(__file__) as source:
        assert call.line is not None
        assert source.read().splitlines()[call.line - 1].strip() == "return x.relu_()"
    assert str(call) == f"Calls.relu, line {call.line}: x.relu_()  (in 'a' and 1 more)"
    assert "7 functional calls left alone" in str(swapped)


def test_a_class_without_source_says_so() -> None:
    scope: dict[str, Any] = {"nn": nn}
    exec("class Hidden(nn.Sequential):\n    def forward(self, x): return x.relu()", scope)
    swapped = surrogate.swap(scope["Hidden"](nn.ReLU()), {nn.ReLU: "cantor2"})
    (call,) = swapped.left_alone
    assert str(call) == "Hidden.forward: source not available  (in the model)"


def test_what_is_only_a_function_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="no modules that are activations") as caught:
        surrogate.swap(nn.TransformerEncoderLayer(4, 2, 4), {nn.ReLU: "cantor2"})
    assert "TransformerEncoderLayer.activation: torch.nn.functional.relu" in str(caught.value)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
@pytest.mark.parametrize("module", [nn.ReLU(), nn.GELU()])
def test_the_fused_path_of_an_encoder_does_not_pass_the_pair_by(module: nn.Module) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, module, batch_first=True)
    model: Any = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(3, 5, 4)
    padding = torch.arange(5).expand(3, 5) >= torch.tensor([[5], [3], [4]])
    with torch.no_grad():
        before = model(x, src_key_padding_mask=padding)
    swapped = surrogate.swap(model, {type(module): "Identity() / Constant(1)"})
    reference = copy.deepcopy(model)
    for each in reference.layers:
        each.activation = nn.Identity()
    with torch.no_grad():
        fused = model(x, src_key_padding_mask=padding)
    torch.testing.assert_close(fused, reference(x, src_key_padding_mask=padding))
    swapped.undo()
    with torch.no_grad():
        assert torch.equal(model(x, src_key_padding_mask=padding), before)
    assert model.use_nested_tensor
    assert model.layers[0].activation_relu_or_gelu


def test_a_compiled_model_sees_the_swap() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    x = torch.randn(3, 2)
    before = compiled(x)
    with surrogate.swap(model, {nn.ReLU: "staircase"}):
        assert torch.equal(compiled(x), torch.round(model[0](x) / 0.5) * 0.5)
    assert torch.equal(compiled(x), before)


def test_copies_and_files_of_a_swapped_model() -> None:
    model: Any = small()
    surrogate.swap(model, {nn.ReLU: "cantor2", nn.GELU: "relu_blurred"})
    x = torch.randn(4, 2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))
    model.load_state_dict(small().state_dict())


def test_layer_makes_new_pairs_and_ignores_inplace() -> None:
    factory = surrogate.layer("PerlinNoise(seed=3) / Constant()")
    pairs = [factory(), factory(inplace=True), factory(inplace=False), factory(True)]
    assert {str(pair) for pair in pairs} == {"PerlinNoise(seed=3) / Constant()"}
    assert all(type(pair) is SurrogateActivation for pair in pairs)
    assert len({id(pair) for pair in pairs}) == 4
    x = torch.randn(10)
    before = x.clone()
    pairs[1](x)
    assert torch.equal(x, before)
    with pytest.raises(TypeError):
        factory(3, 4)  # pyright: ignore[reportCallIssue]


def test_layer_of_a_pair_copies_it() -> None:
    pair: Any = SurrogateActivation(nn.PReLU(), d.Constant(1.0))
    factory: Any = surrogate.layer(pair)
    assert factory().function.weight is not factory().function.weight
    with torch.no_grad():
        pair.function.weight.fill_(7)
    assert factory().function.weight.item() == 0.25


def test_layer_is_a_type_with_a_name_that_can_be_pickled() -> None:
    factory = surrogate.layer("cantor2")
    assert isinstance(factory, type)
    assert issubclass(factory, nn.Module)
    assert repr(factory) == "surrogate.layer('cantor2')"
    again = pickle.loads(pickle.dumps(factory))
    assert str(again()) == "Cantor() / Constant()"
    assert repr(again) == repr(factory)
    pickle.loads(pickle.dumps(factory()))


def test_layer_refuses_at_once() -> None:
    with pytest.raises(ValueError, match="unknown activation 'cantr2'; did you mean 'cantor2'"):
        surrogate.layer("cantr2")
    with pytest.raises(TypeError, match="layer takes the text of a pair or a pair, got ReLU"):
        surrogate.layer(cast(Any, nn.ReLU))


def test_torchvision_factories() -> None:
    from torchvision.ops import MLP, Conv2dNormActivation, SqueezeExcitation

    factory = surrogate.layer("cantor2")
    conv: Any = Conv2dNormActivation(3, 4, activation_layer=factory)  # passes inplace=True
    mlp: Any = MLP(4, [5, 2], activation_layer=factory, inplace=True)
    squeeze: Any = SqueezeExcitation(
        4, 2, activation=factory, scale_activation=surrogate.layer("tanh")
    )
    for model in (conv, mlp, squeeze):
        assert any(isinstance(module, SurrogateActivation) for module in model.modules())
    x = torch.randn(2, 3, 4, 4)
    out = mlp(squeeze(conv(x)).mean((2, 3)))
    out.sum().backward()
    assert conv[0].weight.grad.isfinite().all()
    assert re.search(r"Cantor\(\) / Constant\(\)", repr(conv))


def test_mobilenet_trains_with_replaced_activations() -> None:
    model: Any = torchvision.models.mobilenet_v2(num_classes=2, width_mult=0.25, dropout=0.0)
    swapped = surrogate.swap(model, {nn.ReLU6: "relu_blurred"})
    assert len(swapped.replaced) == 35
    assert all(each.was.inplace for each in swapped.replaced)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 2
    found = losses(model, lambda: F.cross_entropy(model(images), labels), 8, 1e-2)
    assert found[-1] < 0.7 * found[0]
