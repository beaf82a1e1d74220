"""`python -m carillon` is the command `carillon`."""

import sys

from carillon.cli import main

sys.exit(main())
