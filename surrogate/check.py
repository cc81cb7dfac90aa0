"""The command `python -m surrogate.check`; its code is in `surrogate.diagnostics.check`."""

import sys

from surrogate.diagnostics.check.command import main

if __name__ == "__main__":
    sys.exit(main())

# `import surrogate.check` leaves the name `surrogate.check` to the function.
sys.modules[__name__] = sys.modules["surrogate"].check
