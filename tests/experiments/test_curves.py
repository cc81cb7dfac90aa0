"""A loss that is not finite is named by its step, also where several steps are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from experiments.tasks.autoencoder import EXPERIMENT
from experiments.training.callbacks import Curves, DivergedError


def test_the_first_loss_that_is_not_finite(tmp_path: Path):
    curves = Curves(tmp_path, EXPERIMENT)
    curves._unseen = [torch.tensor(loss) for loss in (1.0, 2.0, torch.inf, 3.0, torch.nan)]
    with pytest.raises(DivergedError, match="the training loss is inf in epoch 2, step 38"):
        curves._look(epoch=2, step=40)
    curves._unseen = [torch.tensor(1.0)]
    curves._look(epoch=2, step=41)
    assert not curves._unseen
