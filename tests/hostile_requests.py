"""Requests that mean harm: what PROMISES 6 measured, for each server that tests start."""

from __future__ import annotations

from raw_http import xml

from hqserver.rpc.wire import to_wire

_ENTITIES = b"".join(b"<!ENTITY %c '%b'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
BODIES = {
    "laughs": b"<!DOCTYPE x [<!ENTITY a 'ha'>" + _ENTITIES + b"]><methodCall><methodName>&j;</methodName></methodCall>",
    "blow-up": b"<!DOCTYPE x [<!ENTITY a '" + b"a" * 60_000 + b"'>]><methodCall>" + b"&a;" * 80 + b"</methodCall>",
    "entity-name": b"<!DOCTYPE x [<!ENTITY m 'echo'>]><methodCall><methodName>&m;</methodName></methodCall>",
    "external": b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><methodCall><methodName>echo</methodName></methodCall>",
    "huge-tag": b"<methodCall " + b"a='b' " * 2_900_000 + b"/>",
    "attributes": b"<methodCall " + b" ".join(b"a%d=''" % i for i in range(1_000_000)) + b"/>",
    "comment": b"<methodCall><!-- " + b"<> " * 5_000_000,
    "nesting": xml("echo").replace(b"<params>", b"<params><param>" + b"<value><array><data>" * 20_000),
    "response": to_wire(True),
    "nothing": b"",
}
"""Bodies that are refused with a fault before any method is called."""

HEADS: list[tuple[list[str], int]] = [
    (["Content-Length: -1"], 400),
    (["Content-Length: abc"], 400),
    (["Content-Length: 1_0"], 400),
    (["Content-Length: +5"], 400),
    (["Content-Length: 0x10"], 400),
    (["Content-Length: 5, 6"], 400),
    (["Content-Length: 5", "Content-Length: 6"], 400),
    (["Content-Length: 1099511627776"], 413),
    (["Content-Length: " + "9" * 500], 400),
    (["Content-Length:"], 411),
    (["Content-Length:", "Transfer-Encoding: chunked"], 501),
    (["Content-Length:", "Transfer-Encoding: gzip"], 501),
    (["Transfer-Encoding: chunked"], 400),
    (["Content-Type:"], 415),
    (["Content-Type: text/plain"], 415),
    (["Content-Type: application/x-www-form-urlencoded"], 415),
    (["Content-Type: multipart/form-data; boundary=text/xml"], 415),
    (["Content-Encoding: br"], 415),
    (["Origin: http://localhost"], 403),
    (["Origin: null"], 403),
    (["Sec-Fetch-Site: cross-site"], 403),
    (["Host: evil.example"], 421),
    (["Host: localhost.evil.example:5000"], 421),
    (["Host: localhost@evil.example"], 421),
    (["Host: 192.0.2.1"], 421),
    (["Host: [::2]"], 421),
    (["Host: "], 421),
    (["Host:"], 400),
    (["Host: localhost", "Host: localhost"], 400),
    (["X: " + "a" * 100_000], 431),
    (["Bad Header"], 400),
    (["A\x00b: c"], 400),
]
"""Headers of a POST that never becomes a call, and the status that it is answered with."""
