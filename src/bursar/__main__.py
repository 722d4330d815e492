"""`python -m bursar`."""

import sys

from bursar.cli import main

if __name__ == "__main__":
    sys.exit(main())
