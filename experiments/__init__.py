"""Experiments on activations; a file given by `--import` can register another.

The commands are the modules at this level; what they start is in the folders.
"""

from experiments.tasks.experiment import Experiment, Network, register

__all__ = ["Experiment", "Network", "register"]
