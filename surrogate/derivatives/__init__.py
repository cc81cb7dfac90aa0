"""What is reported: the derivatives of pairs, pointwise or dependent on the upstream gradient."""

from surrogate.derivatives.algebra import Split as Split
from surrogate.derivatives.base import Derivative as Derivative
from surrogate.derivatives.base import Pointwise as Pointwise
from surrogate.derivatives.base import UpstreamDependent as UpstreamDependent
from surrogate.derivatives.base import derivatives as derivatives
from surrogate.derivatives.blurred import Blurred as Blurred
from surrogate.derivatives.directional import Directional as Directional
from surrogate.derivatives.shapes import Box as Box
from surrogate.derivatives.shapes import Constant as Constant
from surrogate.derivatives.shapes import DerivativeOf as DerivativeOf
from surrogate.derivatives.shapes import Exact as Exact
from surrogate.derivatives.stochastic import Noisy as Noisy
