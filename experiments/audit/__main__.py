import sys

from experiments.audit.command import main

sys.exit(main())
