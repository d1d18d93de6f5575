"""How a run ended, in a form that a crash in the middle of writing cannot falsify."""

from __future__ import annotations

import dataclasses
import json
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from ..host_os import Moment

EXIT_RECORD_SIZE = 4096
"""Bytes that a record takes, whatever it says."""
MAX_REASON_LENGTH = 1000
"""Characters of a reason that are kept."""


class LogSummary(NamedTuple):
    """A finished log: bytes in the file, their SHA-256 in hex, whether the command printed more than that."""

    size: int
    sha256: str
    truncated: bool


@dataclass(frozen=True)
class ExitRecord:
    """How a run ended. `exit_code` of a command ended by a signal is 128 + `signal`.

    `killed`: it ended because the daemon asked for it. `reason`: why it failed, "" when the command itself said so.
    `limit`: the limit it had reached when it was killed for that, or failed for it (`limits`), otherwise "".
    `failure`, `failure_line`: what a failure pattern found in the output (`failures`), "" for nothing.
    `log_hash`: SHA-256 of the file `log`, in hex. `max_memory_kb`: of the largest process of the tree.
    `stderr`: the file `stderr`, None where the run does not keep that apart.
    """

    exit_code: int
    signal: int
    killed: bool
    reason: str
    started_at: Moment
    ended_at: Moment
    log_size: int
    log_hash: str
    log_truncated: bool
    progress: float
    cpu_seconds: float
    max_memory_kb: int
    limit: str = ""
    failure: str = ""
    failure_line: str = ""
    stderr: LogSummary | None = None

    def encode(self, run_id: str) -> bytes:
        """The record of that run with its checksum, padded to the size that was preallocated."""
        fields = {"run": run_id, **vars(self)}
        fields["reason"] = self.reason[:MAX_REASON_LENGTH]
        while True:
            body = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")
            record = b"%08x %d\n%b\n" % (zlib.crc32(body), len(body), body)
            if len(record) <= EXIT_RECORD_SIZE:
                return record.ljust(EXIT_RECORD_SIZE, b"\0")
            for text in ("reason", "failure_line"):
                fields[text] = fields[text][: len(fields[text]) // 2]

    @classmethod
    def decode(cls, record: bytes, run_id: str) -> ExitRecord | None:
        """The record in `record`, None when it is not written yet, torn, damaged or another run's."""
        head, _, rest = record.partition(b"\n")
        try:
            checksum, length = int(head[:8], 16), int(head[9:])
            body = rest[:length]
            if len(body) != length or zlib.crc32(body) != checksum:
                return None
            fields = json.loads(body)
            if fields.pop("run") != run_id:
                return None
            fields["started_at"] = Moment(*fields["started_at"])
            fields["ended_at"] = Moment(*fields["ended_at"])
            fields["stderr"] = LogSummary(*fields["stderr"]) if fields.get("stderr") else None
            known = {field.name for field in dataclasses.fields(cls)}
            # What a newer runner adds must not cost what it says besides, should the client go back to older code.
            return cls(**{name: value for name, value in fields.items() if name in known})
        except (ValueError, TypeError, KeyError):
            return None
