"""The `hq` command: tables for people, JSON for programs."""
