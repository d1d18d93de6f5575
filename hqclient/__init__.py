"""The client side of the farm: the daemon that runs commands, the Python API and the `hq` command."""
