"""The self-check: one definition of the derivative, compared with what every mode reports.

`modes` has the table of modes, `properties` that of the rest, `command` the command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from surrogate.core.messages import did_you_mean, name_of
from surrogate.diagnostics.check import numbers as numbers  # registers properties
from surrogate.diagnostics.check.modes import MODES, Mode, quietly
from surrogate.diagnostics.check.properties import PROPERTIES, BrokenError, Named, largest_error
from surrogate.diagnostics.check.report import Report as Report
from surrogate.diagnostics.check.report import Row as Row
from surrogate.diagnostics.check.report import Verdict
from surrogate.diagnostics.check.subject import (
    POINTS,
    NotApplicableError,
    Rule,
    Subject,
    require_by_element,
)

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)

# The largest error that is right, as a fraction of the largest expected number. Half precision is
# computed in float32 and rounded by half an epsilon each time: the slope, its product with the
# upstream gradient, and the expected number itself. Compilers have exp and erf of their own, a few
# units in the last place off; a phase of many turns loses about six bits of float32.
TOLERANCES = {
    torch.float64: 1e-9,
    torch.float32: 2e-5,
    torch.bfloat16: 2 * torch.finfo(torch.bfloat16).eps,
    torch.float16: 2 * torch.finfo(torch.float16).eps,
}

# How torch and this package refuse in a sentence that names the cause. Any other error is one.
REFUSALS = (
    "depends on the upstream gradient",
    "has code of yours",
    "writes into its input",
    "is being used in an in-place operation",
    "takes a real floating-point tensor",
    "must keep the dtype of its input",
    "Batching rule not implemented for",
    "look-up tables are constants of the graph from torch 2.12 on",
    "it must override the setup_context staticmethod",
    "it does not have vmap support",
    "must implement the jvp function",
    "Trying to use forward AD with",
    "derivative for aten::",
    "doesn't support the deepcopy protocol",
    "Can't pickle",
    "Can't get local object",
)


def check(
    pair_or_module: Callable[[Tensor], Tensor],
    *,
    reference: Rule | None = None,
    modes: Iterable[str] | None = None,
    dtypes: Iterable[torch.dtype] = DTYPES,
    compiled: bool = True,
) -> Report:
    """Compare the derivative that is reported in every mode with its definition.

    The definition of a pair is its derivative's rule, that of another module or callable the
    `reference`, or else what eager backward reports; always in float64, of the same rounded
    inputs. A copy in evaluation mode is checked, on the CPU. In all rows but "shared draws" and
    "gradients of parameters", numbers that are drawn in evaluation too are at their mean, and a
    learned tensor is one number, the mean of its own.

    Args:
        pair_or_module: a pair, or any module or callable.
        reference: (x, grad_output) → grad_input, for what is not a pair.
        modes: names of rows, from `modes.MODES` and `properties.PROPERTIES` of this package; all if
            not given.
        dtypes: the input's.
        compiled: whether to include the compiled modes, which take a second or two each. They
            reset the cache of torch.compile.

    Raises:
        TypeError: what is to be checked can't be called; modes are a single text.
        ValueError: there is no such mode.

    >>> import surrogate
    >>> print(surrogate.check(surrogate.get("cantor2"), modes=["func.jvp"], dtypes=[torch.float32]))
    Cantor() / Constant()
    <BLANKLINE>
              float32
    func.jvp  right 0e+00
    """
    if not callable(pair_or_module):
        raise TypeError(
            f"check takes a pair, a module or another callable, got {pair_or_module!r}: "
            "surrogate.get makes the pair of a text"
        )
    chosen = _chosen(modes, compiled)
    rows: list[Row] = []
    with torch.random.fork_rng(devices=[]):
        for dtype in dtypes:
            subject = Subject.of(pair_or_module, dtype, reference)
            rows += (_row(subject, entry) for entry in chosen)
    return Report(name_of(pair_or_module), tuple(rows))


def _chosen(modes: Iterable[str] | None, compiled: bool) -> list[Mode | Named]:
    known: dict[str, Mode | Named] = {**MODES, **PROPERTIES}
    if modes is None:
        return [entry for entry in known.values() if compiled or not entry.compiled]
    if isinstance(modes, str):
        raise TypeError(f"check: modes must be several names, got {modes!r}: write [{modes!r}]")
    names = list(modes)
    for name in names:
        if name not in known:
            raise ValueError(f"unknown mode {name!r}{did_you_mean(name, known)}")
    return [known[name] for name in names]


def _row(subject: Subject, entry: Mode | Named) -> Row:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(2, POINTS, generator=generator, dtype=torch.float64)
    x, upstream = (1.5 * points[0]).to(subject.dtype), points[1].to(subject.dtype)
    tolerance = 0.0 if entry.exact else TOLERANCES[subject.dtype]
    error, note = None, ""
    try:
        if isinstance(entry, Named):
            error = quietly(lambda: entry.holds(subject, x))
        else:
            error = _error(subject, entry, x, upstream)
        verdict: Verdict = "right" if error is None or error <= tolerance else "WRONG"
    except BrokenError as broken:
        verdict, note = "WRONG", str(broken)
    except NotApplicableError as reason:
        verdict, note = "n/a", str(reason)
    except Exception as raised:
        verdict, note = _judged(raised)
    return Row(entry.name, subject.dtype, verdict, error, note)


def _error(subject: Subject, mode: Mode, x: Tensor, upstream: Tensor) -> float:
    """The largest error of what a mode gets."""
    if mode.by_element:
        require_by_element(subject)
    if mode.by_sample:
        x, upstream = x.view(4, -1), upstream.view(4, -1)
    expected = quietly(lambda: _expected(subject, mode, x, upstream))
    got = quietly(lambda: mode.run(subject.module, x.clone(), upstream.clone()))
    if mode.needs_linear and subject.upstream_dependent:
        raise BrokenError("it reports a derivative that does not exist")
    if got.shape != x.shape:
        raise BrokenError(f"the shape became {tuple(got.shape)}")
    ordinary = 0.0
    if mode.order > 1 and subject.by_tensor:  # a sum over elements, such as softmax's, may cancel
        ordinary = float(subject.derivative(x, upstream).abs().max())
    return largest_error(got.detach(), expected, ordinary)


def _expected(subject: Subject, mode: Mode, x: Tensor, upstream: Tensor) -> Tensor:
    if mode.order == 0:
        return subject.value(x)
    if mode.by_sample:
        return subject.by_sample(x, upstream)
    if mode.forward and not subject.upstream_dependent:
        return subject.tangent(x, upstream)
    return subject.derivative(x, upstream, mode.order)


def _judged(raised: BaseException) -> tuple[Verdict, str]:
    """Whether an error explains itself, or what caused it does; and its text."""
    for error in _causes(raised):
        for sentence in str(error).splitlines():
            if any(refusal in sentence for refusal in REFUSALS):
                # A tracer quotes what it was told, among much else.
                return "refuses", sentence.split("RuntimeError('")[-1].split(" For more details")[0]
    first = next(iter(str(raised).strip().splitlines()), "")
    return "error", f"{type(raised).__name__}: {first}"


def _causes(raised: BaseException | None) -> Iterator[BaseException]:
    while raised is not None:
        yield raised
        raised = raised.__cause__ or raised.__context__
