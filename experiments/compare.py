"""Carries out a study of any experiment: several activations, learning rates and seeds.

python -m experiments.compare --experiment autoencoder --act linear relu cantor2 --seed 0-5
python -m experiments.compare --config configs/studies/first.yaml --dry_run
"""

import sys

from experiments.studies.command import make_command

main = make_command("compare", engine="local")

if __name__ == "__main__":
    sys.exit(main())
