"""Which activation gives the best classifier: of a few small networks, and of residual ones?

python -m experiments.classifier --act relu gelu
python -m experiments.classifier --model.name xresnet18 --data.name imagenette --act relu trelu
"""

import sys

from experiments.studies.command import make_command

main = make_command("classifier", experiment="classifier")

if __name__ == "__main__":
    sys.exit(main())
