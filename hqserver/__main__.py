"""`python -m hqserver`."""

import sys

from hqserver.cli import main

sys.exit(main())
