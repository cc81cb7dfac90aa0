from __future__ import annotations

import pytest
import torch
from torch import nn

import surrogate
from experiments.tasks.networks import Autoencoder


def test_it_is_the_network_of_the_published_comparison():
    network = Autoencoder("relu", channels=128, latent=16)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_793_585
    sites = [m for m in network.modules() if isinstance(m, surrogate.SurrogateActivation)]
    assert len(sites) == len({id(site) for site in sites}) == 15


def test_the_sides_of_the_images_layer_by_layer():
    network = Autoencoder("linear", channels=5, latent=3)
    shapes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    output = network(torch.rand(2, 1, 28, 28))
    channels = [5] * 7 + [3] + [5] * 7 + [1]
    sides = [26, 24, 22, 20, 18, 6, 2, 1, 2, 6, 18, 20, 22, 24, 26, 28]
    assert shapes == [(2, c, side, side) for c, side in zip(channels, sides, strict=True)]
    assert output.shape == (2, 1, 28, 28)
    assert 0 < output.min() < output.max() < 1


def test_the_activation_sits_between_every_convolution_and_its_batch_norm():
    network = Autoencoder("relu", channels=2, latent=2)
    last = [nn.ConvTranspose2d, nn.Sigmoid]
    blocks = [*network.encoder, *list(network.decoder)[:-2]]
    assert [type(module) for module in list(network.decoder)[-2:]] == last
    for block in blocks:
        assert isinstance(block, nn.Sequential)
        convolution, activation, normalisation = block
        assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
        assert isinstance(activation, surrogate.SurrogateActivation)
        assert isinstance(normalisation, nn.BatchNorm2d)


class Drawn(nn.Module):
    """A function that draws its parameter when it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.randn(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.slope * x


@pytest.fixture
def drawing_activation(monkeypatch: pytest.MonkeyPatch) -> str:
    get = surrogate.get
    monkeypatch.setattr(
        "surrogate.get",
        lambda text: (
            surrogate.SurrogateActivation(Drawn(), surrogate.derivatives.Exact())
            if text == "drawn"
            else get(text)
        ),
    )
    return "drawn"


def test_initial_weights_depend_on_the_seed_and_not_on_the_activation(drawing_activation: str):
    def weights(act: str, seed: int) -> dict[str, torch.Tensor]:
        state = Autoencoder(act, channels=3, latent=2, seed=seed).state_dict()
        return {name: value for name, value in state.items() if not name.endswith("slope")}

    expected = weights("relu", seed=1)
    for act in ("linear", "rrelu", "perlin4", drawing_activation):
        torch.rand(7)  # whatever was drawn before
        found = weights(act, seed=1)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    other = weights("relu", seed=2)
    assert not torch.equal(other["encoder.0.0.weight"], expected["encoder.0.0.weight"])


def test_making_a_network_draws_nothing_from_the_global_generator():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Autoencoder("relu", channels=2, latent=2)
    assert torch.equal(torch.rand(3), expected)


def test_the_loss_is_the_mean_squared_error_of_the_reconstruction():
    network = Autoencoder("relu", channels=2, latent=2).eval()
    images = torch.rand(3, 1, 28, 28)
    errors = (network(images) - images).flatten().tolist()
    expected = sum(error**2 for error in errors) / len(errors)
    assert network.loss(images, torch.zeros(3)).item() == pytest.approx(expected, rel=1e-5)
