"""Experiments on surrogate activations: what is run, recorded and compared."""
