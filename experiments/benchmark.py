"""Measures how fast pairs are, against torch and other packages, on this machine.

python -m experiments.benchmark --quick -o benchmark.json
"""

import sys

from experiments.timing.suites import main

if __name__ == "__main__":
    sys.exit(main())
