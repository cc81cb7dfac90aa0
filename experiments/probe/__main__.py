import sys

from experiments.probe.command import main

sys.exit(main())
