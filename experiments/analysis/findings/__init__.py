"""What was claimed about activations, and what came out: docs/findings.md from results.

python -m experiments.findings docs/results -o docs/findings.md
"""
