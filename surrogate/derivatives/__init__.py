"""What is reported: the derivatives of pairs, pointwise or dependent on the upstream gradient."""

from surrogate.derivatives.algebra import *
from surrogate.derivatives.base import *
from surrogate.derivatives.bells import *
from surrogate.derivatives.blurred import *
from surrogate.derivatives.directional import *
from surrogate.derivatives.shapes import *
from surrogate.derivatives.stochastic import *
from surrogate.derivatives.upstream import *
