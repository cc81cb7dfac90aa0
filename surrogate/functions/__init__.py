"""What is computed: elementwise functions, by family.

Any callable Tensor → Tensor serves as a function of a pair; the ones here also print as text,
compare by value, keep the dtype of their input and are finite wherever the mathematics is.
"""

from surrogate.functions.base import Function as Function
from surrogate.functions.base import functions as functions
from surrogate.functions.cantor import Cantor as Cantor
from surrogate.functions.noise import PerlinNoise as PerlinNoise
from surrogate.functions.polynomial import Polynomial as Polynomial
from surrogate.functions.quantizers import Ceil as Ceil
from surrogate.functions.quantizers import FakeQuantize as FakeQuantize
from surrogate.functions.quantizers import Floor as Floor
from surrogate.functions.quantizers import MultiSpike as MultiSpike
from surrogate.functions.quantizers import Round as Round
from surrogate.functions.quantizers import Ternary as Ternary
from surrogate.functions.quantizers import Trunc as Trunc
from surrogate.functions.quantizers import UniformQuantizer as UniformQuantizer
from surrogate.functions.rectifiers import CELU as CELU
from surrogate.functions.rectifiers import ELU as ELU
from surrogate.functions.rectifiers import SELU as SELU
from surrogate.functions.rectifiers import LeakyReLU as LeakyReLU
from surrogate.functions.rectifiers import ReLU as ReLU
from surrogate.functions.rectifiers import RReLU as RReLU
from surrogate.functions.rectifiers import Threshold as Threshold
from surrogate.functions.saturating import Clamp as Clamp
from surrogate.functions.saturating import Hardshrink as Hardshrink
from surrogate.functions.saturating import Hardsigmoid as Hardsigmoid
from surrogate.functions.saturating import Hardswish as Hardswish
from surrogate.functions.saturating import Hardtanh as Hardtanh
from surrogate.functions.saturating import ReLU6 as ReLU6
from surrogate.functions.saturating import Softshrink as Softshrink
from surrogate.functions.shifted import FTSwish as FTSwish
from surrogate.functions.shifted import FTSwishPlus as FTSwishPlus
from surrogate.functions.shifted import GeneralReLU as GeneralReLU
from surrogate.functions.shifted import LightReLU as LightReLU
from surrogate.functions.shifted import LiSHT as LiSHT
from surrogate.functions.shifted import TiltReLU as TiltReLU
from surrogate.functions.shifted import TReLU as TReLU
from surrogate.functions.smooth import GELU as GELU
from surrogate.functions.smooth import BSiLU as BSiLU
from surrogate.functions.smooth import Identity as Identity
from surrogate.functions.smooth import LogSigmoid as LogSigmoid
from surrogate.functions.smooth import Mish as Mish
from surrogate.functions.smooth import Sigmoid as Sigmoid
from surrogate.functions.smooth import SiLU as SiLU
from surrogate.functions.smooth import Softplus as Softplus
from surrogate.functions.smooth import Softsign as Softsign
from surrogate.functions.smooth import Swish as Swish
from surrogate.functions.smooth import Tanh as Tanh
from surrogate.functions.smooth import Tanhshrink as Tanhshrink
from surrogate.functions.steps import Heaviside as Heaviside
from surrogate.functions.steps import Sign as Sign
from surrogate.functions.steps import SoftStaircase as SoftStaircase
from surrogate.functions.steps import Staircase as Staircase
from surrogate.functions.waves import SawtoothWave as SawtoothWave
from surrogate.functions.waves import Sin as Sin
from surrogate.functions.waves import SquareWave as SquareWave
from surrogate.functions.waves import TriangleWave as TriangleWave
