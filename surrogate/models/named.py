"""The pairs in a model."""

from __future__ import annotations

from torch import nn

from surrogate.pair import SurrogateActivation


def named_pairs(model: nn.Module) -> dict[str, SurrogateActivation]:
    """The pairs in a model by their names, each once; the model itself has the name ""."""
    modules = model.named_modules()
    return {name: module for name, module in modules if isinstance(module, SurrogateActivation)}
