"""The errors of the experiments that a command answers with one line on stderr."""

from __future__ import annotations


class ExperimentError(Exception):
    """What a user asked for cannot be done; the message says why in a few lines."""


class UsageError(ExperimentError):
    """An option, a setting or a file of the user is not what it should be."""


class DataError(ExperimentError):
    """The data is missing or damaged."""


class RunError(ExperimentError):
    """A run's directory or file is not what it should be."""


class HeldError(RunError):
    """Another process is training this run."""
