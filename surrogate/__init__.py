"""Activations whose reported derivative is not the derivative of what they compute."""

from surrogate import derivatives as derivatives
from surrogate import functions as functions
from surrogate.activation import SurrogateActivation as SurrogateActivation
from surrogate.activation import with_derivative as with_derivative
from surrogate.audit import audit as audit
from surrogate.catalogue import names as names
from surrogate.catalogue import register as register
from surrogate.check import check as check
from surrogate.equivalents import equivalent as equivalent
from surrogate.factory import layer as layer
from surrogate.fusion import fuse as fuse
from surrogate.memory import saved_bytes as saved_bytes
from surrogate.probe import Probe as Probe
from surrogate.schedule import Anneal as Anneal
from surrogate.spec import get as get
from surrogate.swapping import swap as swap
from surrogate.varying import Learnable as Learnable

__version__ = "0.1.0"
