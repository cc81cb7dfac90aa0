"""How fast it is, against torch's own activations and other packages, on the machine at hand.

    python -m experiments.benchmark -o benchmark.json

Each suite makes tables: of ratios of times that were measured in turn, in one run.
"""
