"""Shows where activations are sampled while networks train, and what derivatives they report.

python -m experiments.probe runs/autoencoder -o figures
"""

import sys

from experiments.analysis.probe.command import main

if __name__ == "__main__":
    sys.exit(main())
