"""What is computed: elementwise functions, by family.

Any callable Tensor → Tensor serves as a function of a pair; the ones here also print as text,
compare by value, keep the dtype of their input and are finite wherever the mathematics is.
"""

from surrogate.functions.base import Function as Function
from surrogate.functions.base import functions as functions
from surrogate.functions.cantor import Cantor as Cantor
from surrogate.functions.noise import PerlinNoise as PerlinNoise
from surrogate.functions.rectifiers import ELU as ELU
from surrogate.functions.rectifiers import LeakyReLU as LeakyReLU
from surrogate.functions.rectifiers import ReLU as ReLU
from surrogate.functions.rectifiers import RReLU as RReLU
from surrogate.functions.smooth import GELU as GELU
from surrogate.functions.smooth import Identity as Identity
from surrogate.functions.smooth import Sigmoid as Sigmoid
from surrogate.functions.smooth import SiLU as SiLU
from surrogate.functions.smooth import Sin as Sin
from surrogate.functions.smooth import Swish as Swish
from surrogate.functions.smooth import Tanh as Tanh
from surrogate.functions.steps import Heaviside as Heaviside
from surrogate.functions.steps import Sign as Sign
from surrogate.functions.steps import SoftStaircase as SoftStaircase
from surrogate.functions.steps import Staircase as Staircase
