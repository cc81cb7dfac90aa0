from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

import surrogate
from experiments.tasks.classifier import EXPERIMENT
from experiments.tasks.networks import MLP, ConvNet, XResNet18, XResNet34, XResNet50
from experiments.tasks.networks.parts import Normalise
from experiments.tasks.networks.xresnet import Block
from tests.experiments.test_networks import drawing_activation

__all__ = ["drawing_activation"]  # a fixture

SHAPE = (1, 28, 28)
XRESNETS = {18: XResNet18, 34: XResNet34, 50: XResNet50}
# Three 3×3 convolutions with BatchNorm, 3→32→64→64, for one 7×7, 3→64.
STEM = 9 * (3 * 32 + 32 * 64 + 64 * 64) + 2 * (32 + 64 + 64) - (49 * 3 * 64 + 2 * 64)
NETWORKS = {
    name: (EXPERIMENT.offered(name).kind, {"width": 4} if name.startswith("xresnet") else {})
    for name in EXPERIMENT.networks
}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def sites(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, surrogate.SurrogateActivation)]


@pytest.mark.parametrize("hidden", [[512, 256, 256, 128], [7], [5] * 20])
def test_an_mlp_is_its_linear_layers(hidden: list[int]):
    network = MLP("relu", SHAPE, 10, hidden)
    widths = [784, *hidden, 10]
    assert parameters(network) == sum((a + 1) * b for a, b in pairwise(widths))
    layers = [m for m in network if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == list(pairwise(widths))
    assert len({id(site) for site in sites(network)}) == len(hidden)
    images = torch.rand(3, *SHAPE)
    x = (images.flatten(1) - 0.5) / 0.5
    for layer in layers[:-1]:
        x = (x @ layer.weight.T + layer.bias).relu()
    assert torch.allclose(network(images), x @ layers[-1].weight.T + layers[-1].bias, atol=1e-5)


def test_the_mlp_of_the_tutorial_starts_as_pytorchs_layers_do():
    weight = next(m for m in MLP("relu", SHAPE, 10) if isinstance(m, nn.Linear)).weight
    assert weight.abs().max().item() == pytest.approx(1 / math.sqrt(784), rel=1e-3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_convnet_of_the_course(batch_norm: bool):
    network = ConvNet("relu", SHAPE, 10, batch_norm=batch_norm)
    widths = [1, 8, 16, 32, 32]
    convolutions = sum(
        (a * k**2 + 1) * b for (a, b), k in zip(pairwise(widths), (5, 3, 3, 3), strict=True)
    )
    assert parameters(network) == convolutions + 33 * 10 + batch_norm * 2 * sum(widths[1:])
    shapes = []
    for block in network:
        if isinstance(block, nn.Sequential):
            order = [nn.Conv2d, surrogate.SurrogateActivation, nn.BatchNorm2d][: 2 + batch_norm]
            assert [type(module) for module in block] == order
            block[0].register_forward_hook(lambda _, __, output: shapes.append(output.shape[1:]))
    assert network(torch.rand(2, *SHAPE)).shape == (2, 10)
    assert shapes == [(8, 14, 14), (16, 7, 7), (32, 4, 4), (32, 2, 2)]


def test_batch_norm_changes_no_initial_weight():
    with_it, without = (ConvNet("relu", SHAPE, 10, batch_norm=each) for each in (True, False))
    weights = dict(with_it.named_parameters())
    assert all(torch.equal(weights[name], value) for name, value in without.named_parameters())


@pytest.mark.parametrize("depth", XRESNETS)
def test_an_xresnet_is_a_resnet_with_another_stem(depth: int):
    """The shortcuts' averages have no parameters, and strides don't change their number."""
    resnet = torchvision.models.get_model(f"resnet{depth}", num_classes=10)
    with torch.device("meta"):
        network = XRESNETS[depth]("relu", (3, 128, 128), 10)
    assert parameters(network) == parameters(resnet) + STEM
    # Theirs: one a block, shared by its convolutions, and one of the stem.
    blocks = [m for m in network if isinstance(m, Block)]
    assert len(blocks) == sum(XRESNETS[depth].blocks)
    assert len(sites(network)) == 3 + len(blocks) * (2 if depth < 50 else 3)


@pytest.mark.parametrize("depth", XRESNETS)
def test_the_stages_of_an_xresnet(depth: int):
    network = XRESNETS[depth]("relu", (3, 64, 64), 7, width=8)
    shapes: list[tuple[int, ...]] = []
    for module in network:
        if isinstance(module, Block | nn.MaxPool2d):
            module.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 7)
    expansion = 4 if depth == 50 else 1
    stages = [(2, 8 * 2**stage * expansion, 16 >> stage, 16 >> stage) for stage in range(4)]
    blocks = {18: (2, 2, 2, 2)}.get(depth, (3, 4, 6, 3))
    expected = [shape for shape, n in zip(stages, blocks, strict=True) for _ in range(n)]
    assert shapes == [(2, 8, 16, 16), *expected]


@pytest.mark.parametrize("depth", [18, 50])
def test_each_block_starts_as_its_shortcut_and_ends_with_the_activation(depth: int):
    network = XRESNETS[depth]("relu", (3, 32, 32), 5, width=4).eval()
    blocks = [m for m in network if isinstance(m, Block)]
    for block in blocks:
        kinds = [[type(m) for m in layer] for layer in block.convolutions]  # type: ignore
        inner = [nn.Conv2d, nn.BatchNorm2d, surrogate.SurrogateActivation]
        assert kinds == [inner] * (len(kinds) - 1) + [inner[:2]]
        scales = [layer[1].weight for layer in block.convolutions]  # type: ignore
        assert [bool((scale == 0).all()) for scale in scales] == [False] * (len(kinds) - 1) + [True]
        x = torch.randn(2, block.convolutions[0][0].in_channels, 6, 6)  # type: ignore
        assert torch.equal(block(x), block.shortcut(x).relu())
    strided = [b for b in blocks if any(isinstance(m, nn.AvgPool2d) for m in b.shortcut)]
    assert len(strided) == 3
    block = strided[0]
    x = torch.randn(1, block.shortcut[1][0].in_channels, 5, 5)  # type: ignore
    weight = block.shortcut[1][0].weight[:, :, 0, 0]  # type: ignore
    # The corner has one pixel to average; BatchNorm is near the identity before it has trained.
    corner = weight @ x[0, :, 4, 4] / math.sqrt(1 + 1e-5)
    assert torch.allclose(block.shortcut(x)[0, :, 2, 2], corner, atol=1e-5)


def test_kaimings_normal_weights():
    network = XResNet18("relu", (3, 32, 32), 10)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            inputs = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.15)
            assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize("name", NETWORKS)
def test_initial_weights_depend_on_the_seed_alone(name: str, drawing_activation: str):
    kind, options = NETWORKS[name]

    def weights(act: str, seed: int) -> dict[str, torch.Tensor]:
        torch.rand(seed)  # whatever was drawn before
        before = torch.get_rng_state()
        state = kind(act=act, shape=(3, 32, 32), classes=4, seed=seed, **options).state_dict()
        assert torch.equal(torch.get_rng_state(), before)
        return {name: value for name, value in state.items() if not name.endswith("slope")}

    expected = weights("relu", 1)
    for act in ("linear", "rrelu", drawing_activation):
        found = weights(act, 1)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    other = weights("relu", 2)
    matrices = [key for key, value in expected.items() if value.ndim > 1]
    assert not any(torch.equal(other[key], expected[key]) for key in matrices)


def test_images_are_normalised_for_each_channel_or_for_all():
    images = torch.rand(2, 3, 4, 4)
    each = Normalise([0.1, 0.2, 0.3], [1.0, 2.0, 4.0], 3)(images)
    for channel, (mean, std) in enumerate([(0.1, 1.0), (0.2, 2.0), (0.3, 4.0)]):
        assert torch.allclose(each[:, channel], (images[:, channel] - mean) / std)
    assert torch.allclose(Normalise([0.5], [0.5], 3)(images), images * 2 - 1, atol=1e-6)
    with pytest.raises(ValueError, match=r"model\.mean must be one number or one for each channel"):
        Normalise([0.1, 0.2], [1.0], 3)


def test_the_tutorials_size():
    assert parameters(MLP("relu", SHAPE, 10)) == 633_226
    assert parameters(ConvNet("relu", SHAPE, 10)) == 15_594
