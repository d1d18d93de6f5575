"""`python -m hqclient` is the command `hqclient`."""

import sys

from hqclient.daemon.cli import main

if __name__ == "__main__":
    sys.exit(main())
