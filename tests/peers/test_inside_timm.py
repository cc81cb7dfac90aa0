"""Pairs in timm: as `act_layer=`, and put in afterwards."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers import (
    BatchNormAct2d,
    GroupNormAct,
    LayerNormAct,
    Mlp,
    create_act_layer,
    get_norm_act_layer,
)
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

import surrogate
from surrogate import SurrogateActivation
from tests.training import losses

SMALL: dict[str, Any] = {
    "img_size": 16, "patch_size": 4, "num_classes": 2, "embed_dim": 16, "depth": 2, "num_heads": 2
}  # fmt: skip
LABELS = torch.arange(8) % 2
IMAGES = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def trained(model: nn.Module) -> float:
    found = losses(model, lambda: F.cross_entropy(model(IMAGES), LABELS), 20, 1e-2)
    return found[-1] / found[0]


def test_a_vision_transformer_trains_with_act_layer() -> None:
    model = VisionTransformer(**SMALL, act_layer=surrogate.layer("staircase_blurred(width=0.5)"))
    assert sum(isinstance(m, SurrogateActivation) for m in model.modules()) == 2
    assert trained(model) < 0.7


def test_a_vision_transformer_trains_after_a_swap() -> None:
    model = VisionTransformer(**SMALL)
    swapped = surrogate.swap(model, {nn.GELU: "relu_directional", "blocks.1.*": "cantor2"})
    assert [each.names[0] for each in swapped.replaced] == ["blocks.0.mlp.act", "blocks.1.mlp.act"]
    assert trained(model) < 0.7


def test_a_resnet_trains_with_act_layer() -> None:
    model = timm.create_model(
        "resnet10t", num_classes=2, act_layer=surrogate.layer("relu_blurred"), stem_width=8
    )
    assert not any(isinstance(m, nn.ReLU) for m in model.modules())
    assert trained(model) < 0.7


def test_the_gradient_in_an_mlp_is_that_of_the_pair() -> None:
    mlp = Mlp(3, 5, 3, act_layer=surrogate.layer("Cantor() / Constant(2)")).double()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(mlp(x).sum(), x)
    expected = 2 * mlp.fc2.weight.sum(0) @ mlp.fc1.weight
    torch.testing.assert_close(gradient, expected.expand(4, 3), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "kind", [BatchNormAct2d, LayerNormAct, partial(GroupNormAct, num_groups=2)]
)
def test_norm_act_layers(kind: Callable[..., Any]) -> None:
    factory = surrogate.layer("Cantor() / Constant(2)")
    layer = kind(4, act_layer=factory, inplace=True)
    assert str(layer.act) == "Cantor() / Constant(value=2)"
    x = torch.randn(2, 4, 4, 4, requires_grad=True)
    before = x.detach().clone()
    seen: list[Tensor] = []
    layer.act.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    y = layer(x)
    assert torch.equal(x, before)
    upstream = torch.randn_like(y)
    of_x, of_input = torch.autograd.grad(y, (x, seen[0]), upstream)
    assert torch.equal(of_input, 2 * upstream)
    assert of_x.isfinite().all()


def test_the_factories_of_timm_take_it() -> None:
    factory = surrogate.layer("cantor2")
    assert isinstance(create_act_layer(factory, inplace=True), SurrogateActivation)
    norm_act: Any = get_norm_act_layer("batchnorm2d", act_layer=factory)
    assert isinstance(norm_act(4).act, SurrogateActivation)
    assert isinstance(norm_act(4, apply_act=False).act, nn.Identity)


def test_a_metaformer_asks_for_a_type() -> None:
    from timm.models.metaformer import SepConv

    conv = SepConv(4, act1_layer=surrogate.layer("cantor2"), act2_layer=surrogate.layer("relu"))
    assert str(conv.act1) == "Cantor() / Constant()"
    assert conv(torch.randn(1, 4, 4, 4)).isfinite().all()


def test_activations_of_timm_itself_are_replaced_by_type() -> None:
    model: Any = VisionTransformer(**SMALL, act_layer="quick_gelu")
    kind = type(model.blocks[0].mlp.act)
    swapped = surrogate.swap(model, {kind: "gelu", "blocks.1.mlp.act": "cantor2"})
    assert len(swapped.replaced) == 2
    assert str(model.blocks[1].mlp.act) == "Cantor() / Constant()"
