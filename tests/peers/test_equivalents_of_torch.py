"""torch's own fake quantisation, ties included."""

from __future__ import annotations

import pytest
import torch

import surrogate
from tests.peers.agreement import SINGLE, assert_agree, gradients

WITH_TIES = [(0.25, 0, -8, 7), (0.25, 1, -8, 7), (0.5, 3, 0, 6), (0.5, 4, 1, 7)]


@pytest.mark.parametrize("numbers", [*WITH_TIES, (0.1, 0, -8, 7), (1 / 64, 0, -128, 127)], ids=str)
def test_it_is_the_code(numbers: tuple[float, int, int, int]) -> None:
    scale, zero_point, quant_min, quant_max = numbers
    ours = surrogate.equivalent(
        "torch.fake_quantize",
        scale=scale,
        zero_point=zero_point,
        quant_min=quant_min,
        quant_max=quant_max,
    )

    def theirs(x: torch.Tensor) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, quant_min, quant_max)

    assert_agree(ours, theirs, SINGLE)
    if numbers in WITH_TIES:  # both ends are on the grid
        low, high = ((end - zero_point) * scale for end in (quant_min - 0.5, quant_max + 0.5))
        inside = gradients(theirs, SINGLE)[1][0] / 1.5
        ends = [float(inside[end == SINGLE]) for end in (low, high)]
        assert ends == [quant_min % 2 == zero_point % 2, quant_max % 2 == zero_point % 2]
