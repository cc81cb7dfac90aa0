"""Activations whose reported derivative is not the derivative of what they compute."""

from surrogate import derivatives as derivatives
from surrogate import equivalents as equivalents
from surrogate import functions as functions
from surrogate.catalogue import names as names
from surrogate.catalogue import register as register
from surrogate.core.drawn import Drawn as Drawn
from surrogate.core.fuse import fuse as fuse
from surrogate.core.numbers import Learnable as Learnable
from surrogate.diagnostics.audit import audit as audit
from surrogate.diagnostics.check import check as check
from surrogate.diagnostics.saved_bytes import saved_bytes as saved_bytes
from surrogate.equivalents import equivalent as equivalent
from surrogate.models.layer import layer as layer
from surrogate.models.layer import with_derivative as with_derivative
from surrogate.models.swap import swap as swap
from surrogate.pair import SurrogateActivation as SurrogateActivation
from surrogate.text import get as get
from surrogate.training.anneal import Anneal as Anneal
from surrogate.training.probe import Probe as Probe

__version__ = "0.1.0"
