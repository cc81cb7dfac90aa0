"""Which activation gives the best autoencoder of Fashion-MNIST, and is it better than none?

python -m experiments.autoencoder --act cantor2
python -m experiments.autoencoder --act relu gelu "Staircase(step=0.5) / Blurred(width=0.3)"
"""

import sys

from experiments.studies.command import make_command

main = make_command("autoencoder", experiment="autoencoder")

if __name__ == "__main__":
    sys.exit(main())
