import sys

from experiments.atlas.command import main

sys.exit(main())
