import sys

from experiments.findings.page import main

sys.exit(main())
