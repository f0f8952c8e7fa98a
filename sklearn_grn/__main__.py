"""The command line, as ``python -m sklearn_grn``."""

import sys

from sklearn_grn._cli import main

if __name__ == "__main__":
    sys.exit(main())
