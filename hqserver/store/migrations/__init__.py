"""The database's tables, as numbered migrations: importing this package registers them all."""

from . import (
    m001_farm,
    m002_contract,
    m003_promises,
    m004_trouble,
    m005_agenda,
    m006_search,
    m007_control,
    m008_events,
    m009_callbacks,
    m010_limits,
    m011_locks,
    m012_runners,
    m013_streams,
    m014_ending,
)
from .numbered import MIGRATIONS

__all__ = [
    "MIGRATIONS",
    "m001_farm",
    "m002_contract",
    "m003_promises",
    "m004_trouble",
    "m005_agenda",
    "m006_search",
    "m007_control",
    "m008_events",
    "m009_callbacks",
    "m010_limits",
    "m011_locks",
    "m012_runners",
    "m013_streams",
    "m014_ending",
]
