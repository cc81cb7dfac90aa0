"""What is reported: the derivatives of pairs, pointwise or with a rule of their own."""

from typing import TYPE_CHECKING

# Each registers the derivatives in it.
from surrogate.derivatives import algebra, bells, blurred, shapes, stochastic, upstream
from surrogate.derivatives.base import Derivative as Derivative
from surrogate.derivatives.base import Pointwise as Pointwise

if TYPE_CHECKING:
    from surrogate.derivatives.algebra import *
    from surrogate.derivatives.bells import *
    from surrogate.derivatives.blurred import *
    from surrogate.derivatives.shapes import *
    from surrogate.derivatives.stochastic import *
    from surrogate.derivatives.upstream import *
else:
    globals().update(Derivative.registry)
