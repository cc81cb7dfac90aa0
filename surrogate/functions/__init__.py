"""What is computed: functions, by family.

Any callable Tensor → Tensor serves as a function of a pair; the ones here also print as text,
compare by value, keep the dtype of their input and are finite wherever the mathematics is.
"""

from typing import TYPE_CHECKING

from surrogate.functions import (  # each registers the functions in it
    cantor,
    quantizers,
    rectifiers,
    saturating,
    shifted,
    smooth,
    steps,
    waves,
)
from surrogate.functions.base import Function as Function
from surrogate.functions.base import PiecewiseConstant as PiecewiseConstant

if TYPE_CHECKING:
    from surrogate.functions.cantor import *
    from surrogate.functions.quantizers import *
    from surrogate.functions.rectifiers import *
    from surrogate.functions.saturating import *
    from surrogate.functions.shifted import *
    from surrogate.functions.smooth import *
    from surrogate.functions.steps import *
    from surrogate.functions.waves import *
else:
    globals().update(Function.registry)
