"""Fuzzers: texts and files as a stranger could make them, by the hundred thousand.

    python -m tests.fuzz --output docs/results/fuzz.json --seconds 100

Case i of a kind is a function of (kind, i) alone. It passes if what reads it accepts it or raises
one of the errors that are documented, within a second, without any code of the case's being run
and without a file outside the scratch folder. The record says how far each kind has come; the same
command goes on from there. `make fuzz` does all of it.
"""
