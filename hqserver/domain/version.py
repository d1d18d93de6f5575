"""The one place the version is written."""

VERSION = "0.1.0"
"""MAJOR.MINOR.PATCH, as `getVersion` answers it (CONTRACT 9.26)."""
