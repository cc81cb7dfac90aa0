"""Other packages' names in our terms: `surrogate.equivalent("snntorch.fast_sigmoid", slope=25)`.

Each is the pair of function and derivative that the package documents, with the package's own
parameters and defaults, tie rule included. The table of them all is docs/equivalents.md;
`python -m experiments.equivalents` writes it.
"""

# Each registers the names of some packages.
from surrogate.equivalents import bounds, freegrad, neuromorphic, quantization, spiking
from surrogate.equivalents.base import entry as entry
from surrogate.equivalents.base import equivalent as equivalent
from surrogate.equivalents.base import equivalents as equivalents
from surrogate.equivalents.base import names as names
