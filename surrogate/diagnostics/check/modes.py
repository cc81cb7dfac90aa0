"""The modes in which torch differentiates: the one place to add one.

A mode takes (module, x, upstream gradient) and returns the gradient that it gets for x, times the
upstream gradient; those of order 2 and 3 return that derivative of it, those of order 0 the value.
"""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from surrogate.core.evaluate import BLOCK, FUSED_FROM
from surrogate.core.fuse import fuse
from surrogate.diagnostics.check.subject import (
    NotApplicableError,
    backward,
    compiling,
    differentiated,
)

Result = TypeVar("Result")
Run = Callable[[Any, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Mode:
    """How one mode is run, and what its result is compared with."""

    name: str
    run: Run
    order: int = 1  # 0: the value; 1: the reported derivative; 2, 3: derivatives of it
    needs_linear: bool = False  # an upstream-dependent derivative has to refuse it
    by_element: bool = False  # elements by themselves
    by_sample: bool = False  # rows of x by themselves
    forward: bool = False  # how the value moves along the upstream gradient, as a tangent
    exact: bool = False  # bit for bit
    compiled: bool = False


MODES: dict[str, Mode] = {}


def mode(name: str, *, twin: bool = False, **facts: Any) -> Callable[[Run], Run]:
    """Add a function to the table; with `twin`, a compiled version of it too."""

    def add(run: Run) -> Run:
        MODES[name] = Mode(name, run, **facts)
        if twin:
            others = {**facts, "exact": False, "compiled": True}
            MODES[f"compiled {name}"] = Mode(f"compiled {name}", partial(_compiled, run), **others)
        return run

    return add


def _compiled(run: Run, module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    function = lambda x, upstream: run(module, x, upstream)
    with compiling(function, fullgraph=True) as fast:
        return fast(x, upstream)


def _of_compiled(
    run: Run, fullgraph: bool, module: nn.Module, x: Tensor, upstream: Tensor
) -> Tensor:
    """The mode of a module that was compiled before."""
    with compiling(module, fullgraph=fullgraph) as fast:
        return run(fast, x, upstream)


def _in_many_copies(
    run: Run, elements: int, module: nn.Module, x: Tensor, upstream: Tensor
) -> Tensor:
    """The result for the last of many copies of x in one tensor."""
    copies = elements // len(x) + 1
    return run(module, x.repeat(copies), upstream.repeat(copies))[-len(x) :]


def _fused(run: Run, module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    with fuse():
        return _in_many_copies(run, FUSED_FROM, module, x, upstream)


def _exported(run: Run, module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    return run(torch.export.export(module, (x,)).module(), x, upstream)


def _with_graph(order: int, module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    y = module(x)
    (result,) = torch.autograd.grad(y, x, upstream.to(y.dtype), create_graph=True)
    for _ in range(order - 1):
        result = differentiated(result, x)
    return result.detach()


def _by_vjp(module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    y, pullback = vjp(module, x)[:2]
    return pullback(upstream.to(y.dtype))[0]


def _of_samples(module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    return vmap(grad(lambda x, upstream: (module(x) * upstream).sum()))(x, upstream)


def _diagonal(matrix: Any) -> Tensor:
    return matrix.diagonal()


_value: Run = lambda module, x, g: module(x)
_value_with_grad: Run = lambda module, x, g: module(x.clone().requires_grad_()).detach()

mode("value", order=0, exact=True, twin=True)(_value)
mode("value with grad", order=0, exact=True)(_value_with_grad)
mode("value in vmap", order=0, exact=True, by_element=True)(lambda module, x, g: vmap(module)(x))
mode("value in vjp", order=0, exact=True)(lambda module, x, g: vjp(module, x)[0])
mode("value in jvp", order=0, exact=True, needs_linear=True)(
    lambda module, x, g: jvp(module, (x,), (g,))[0]
)
mode("value exported", order=0, needs_linear=True)(partial(_exported, _value))

mode("backward")(backward)
mode("compiled backward", compiled=True)(partial(_of_compiled, backward, True))
mode("value of a large tensor", order=0, by_element=True)(
    partial(_in_many_copies, _value_with_grad, 2 * BLOCK)
)
mode("backward of a large tensor", by_element=True)(partial(_in_many_copies, backward, 2 * BLOCK))
mode("fused value", order=0, by_element=True, compiled=True)(partial(_fused, _value_with_grad))
mode("fused backward", by_element=True, compiled=True)(partial(_fused, backward))
mode("create_graph, second order", order=2)(partial(_with_graph, 2))
mode("create_graph, third order", order=3)(partial(_with_graph, 3))

mode("func.grad", twin=True)(lambda module, x, g: grad(lambda x: (module(x) * g).sum())(x))
mode("func.vjp", twin=True)(_by_vjp)
mode("vmap(grad)", twin=True, by_element=True)(
    lambda module, x, g: vmap(grad(lambda x, g: module(x) * g))(x, g)
)
mode("vmap(grad) over samples", twin=True, by_sample=True)(_of_samples)
mode("compiled, then vmap", by_sample=True, compiled=True)(
    partial(_of_compiled, _of_samples, False)
)
mode("func.jvp", twin=True, needs_linear=True, forward=True)(
    lambda module, x, g: jvp(module, (x,), (g,))[1]
)


@mode("forward-mode AD", needs_linear=True, forward=True)
def dual_tensors(module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(module(forward_ad.make_dual(x, upstream))).tangent
        return torch.zeros_like(x) if tangent is None else tangent


mode("jacrev", twin=True, by_element=True)(
    lambda module, x, g: _diagonal(jacrev(lambda x: module(x) * g)(x))
)
mode("jacfwd", twin=True, needs_linear=True, by_element=True)(
    lambda module, x, g: _diagonal(jacfwd(lambda x: module(x) * g)(x))
)
mode("hessian", order=2, twin=True, needs_linear=True, by_element=True)(
    lambda module, x, g: _diagonal(hessian(lambda x: (module(x) * g).sum())(x))
)
mode("export, then backward", needs_linear=True)(partial(_exported, backward))
mode("export, second order", order=2, needs_linear=True)(
    partial(_exported, partial(_with_graph, 2))
)


def _checkpointed(reentrant: bool, module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    from torch.utils.checkpoint import checkpoint

    x = x.clone().requires_grad_()
    y: Any = checkpoint(module, x, use_reentrant=reentrant)
    y.backward(upstream.to(y.dtype))
    assert x.grad is not None
    return x.grad


mode("checkpoint")(partial(_checkpointed, False))
mode("checkpoint, reentrant")(partial(_checkpointed, True))


def _autocast(dtype: torch.dtype, module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    with torch.autocast(x.device.type, dtype):
        return backward(module, x, upstream)


mode("autocast bfloat16")(partial(_autocast, torch.bfloat16))
mode("autocast float16")(partial(_autocast, torch.float16))
mode("deepcopy")(lambda module, x, g: backward(copy.deepcopy(module), x, g))
mode("pickle")(lambda module, x, g: backward(pickle.loads(pickle.dumps(module)), x, g))


@mode("state_dict")
def state_reloaded(module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    """Saved, read back as weights only, and loaded into a copy whose parameters were forgotten."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    empty = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in empty.parameters():
            parameter.fill_(torch.nan)
    empty.load_state_dict(torch.load(file, weights_only=True))
    return backward(empty, x, upstream)


@mode("DistributedDataParallel")
def data_parallel(module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    """One process, gloo; the gradient is that of a parameter that is added to x."""
    from torch import distributed

    if not distributed.is_available() or not distributed.is_gloo_available():
        raise NotApplicableError("torch was built without gloo")
    if distributed.is_initialized():
        raise NotApplicableError("a process group is in use")
    shifted = _Shifted(module, x)
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        y = nn.parallel.DistributedDataParallel(shifted)(x)
        y.backward(upstream.to(y.dtype))
    finally:
        distributed.destroy_process_group()
    assert shifted.shift.grad is not None
    return shifted.shift.grad


class _Shifted(nn.Module):
    def __init__(self, module: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.module = module
        self.shift = nn.Parameter(torch.zeros_like(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x + self.shift)


@mode("CUDA graph")
def cuda_graph(module: nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    if not torch.cuda.is_available():
        raise NotApplicableError("no GPU here")
    x, upstream = x.cuda(), upstream.cuda()
    module = copy.deepcopy(module).cuda()
    captured: Any = torch.cuda.make_graphed_callables(module, (x.clone().requires_grad_(),))
    return backward(captured, x, upstream).cpu()


def quietly(run: Callable[[], Result]) -> Result:
    """A self-check looks at results: torch's remarks on its own plans are left out."""
    with warnings.catch_warnings(action="ignore"):
        return run()
