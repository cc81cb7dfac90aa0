"""The private names of torch that this package uses, each with what breaks without it.

All of them were seen in torch 2.11, 2.13 and 2.15.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._guards import active_fake_mode
from torch.autograd import forward_ad
from torch.torch_version import TorchVersion
from torch.utils import _pytree

Called = TypeVar("Called", bound=Callable[..., Any])


def is_forward_mode() -> bool:
    """Whether forward-mode differentiation is going on: derivatives that have none must refuse."""
    return forward_ad._current_level >= 0


def is_transformed() -> bool:
    """Whether a transform of torch.func, or forward mode, is going on: it can't see the inside of
    an autograd Function without `setup_context`."""
    return torch._C._are_functorch_transforms_active() or is_forward_mode()


def is_exporting() -> bool:
    """Whether torch.export is going on; torch 2.11 publicly says yes under torch.compile too."""
    return torch.compiler._is_exporting_flag


def is_plain() -> bool:
    """Whether this is eager mode with nobody looking: no compiler, export, transform."""
    return not (
        torch.compiler.is_compiling()
        or torch.compiler._is_exporting_flag
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


# Whether one tensor is a view of the other: an output must not be its own input.
shares_memory = torch._C._is_alias_of  # pyright: ignore[reportAttributeAccessIssue]

# The mode in which tensors are fake ones, which do not mix with real tables; None ordinarily.
fake_mode = active_fake_mode


def register_constant(kind: type) -> None:
    """Let torch.compile take the instances of a class for constants of the graph."""
    _pytree.register_constant(kind)


# From torch 2.12 on a function can be called by torch.compile once, for a constant of the graph.
HAS_CONSTANT_CALLS = TorchVersion(torch.__version__) >= "2.12"


def called_for_a_constant(function: Called) -> Called:
    """What torch.compile calls once, for a constant; older versions refuse with a reason.

    torch.compiler.assume_constant_result does this alone, but imports the compiler: a second.
    """
    if HAS_CONSTANT_CALLS:
        function._dynamo_marked_constant = True  # type: ignore[attr-defined]
        return function
    return torch.compiler.disable(  # type: ignore[return-value]
        function, reason="look-up tables are constants of the graph from torch 2.12 on"
    )


def nonstrict_trace(function: Callable[..., Any]) -> Any:
    """A function that torch.compile does not look into but calls while it traces; public from
    torch 2.13 on. It imports the compiler, so it is called while something is compiled."""
    public = getattr(torch.compiler, "nonstrict_trace", None)
    return (public or torch._dynamo.nonstrict_trace)(function)


def is_compiler_imported() -> bool:
    """Whether anything can have been compiled; to ask by way of the compiler would import it."""
    return "torch._dynamo" in sys.modules


def is_in_backward_pass() -> bool:
    """Whether autograd is going backward: a call of a module is then one of checkpointing."""
    return torch._C._current_graph_task_id() >= 0


def graphs_compiled() -> int:
    """How many graphs torch.compile has compiled in this process."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def mark_dynamic_size(tensor: Tensor) -> None:
    """Let the compiled code of a flat tensor serve for all its lengths."""
    torch._dynamo.mark_dynamic(tensor, 0)
