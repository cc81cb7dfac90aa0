"""Activations whose reported derivative is not the derivative of what they compute."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from surrogate import derivatives as derivatives
from surrogate import functions as functions
from surrogate.activation import SurrogateActivation as SurrogateActivation
from surrogate.activation import with_derivative as with_derivative
from surrogate.audit import audit as audit
from surrogate.catalogue import names as names
from surrogate.catalogue import register as register
from surrogate.check import check as check
from surrogate.factory import layer as layer
from surrogate.fusion import fuse as fuse
from surrogate.memory import saved_bytes as saved_bytes
from surrogate.spec import get as get
from surrogate.varying import Learnable as Learnable

__version__ = "0.1.0"

if TYPE_CHECKING:
    from surrogate import equivalents as equivalents
    from surrogate.equivalents import equivalent as equivalent
    from surrogate.probe import Probe as Probe
    from surrogate.schedule import Anneal as Anneal
    from surrogate.swapping import swap as swap
else:
    # Imported when they are first asked for: a fifth of the time that all of this takes.
    _later = {
        "equivalent": "equivalents",
        "Probe": "probe",
        "Anneal": "schedule",
        "swap": "swapping",
    }

    def __getattr__(name):
        if name == "equivalents":
            return _import_module("surrogate.equivalents")
        if name not in _later:
            raise AttributeError(f"module 'surrogate' has no attribute {name!r}")
        globals()[name] = found = getattr(_import_module(f"surrogate.{_later[name]}"), name)
        return found

    def __dir__():
        return sorted({*globals(), *_later, "equivalents"})
