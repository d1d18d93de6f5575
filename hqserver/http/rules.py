"""Which requests are let in, judged by their heads alone (PROMISES 6.1, 6.4). Pure: no socket, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from hqserver.http.messages import Head, Refusal

RPC_PATHS = {"/RPC2": False, "/": False, "/RPC2/nonil": True}
"""Where calls are posted, and whether their answers must do without nil (CONTRACT 1.1, 9.2)."""

_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::[0-9]{1,5})?")
_XML = {"text/xml", "application/xml"}


@lru_cache(maxsize=4096)
def plain_address(address: str) -> str:
    """The address without zone, and an IPv4 address in IPv6 clothes as IPv4."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """Whether the address is the machine's own loopback."""
    try:
        return ip_address(plain_address(address)).is_loopback
    except ValueError:
        return False


class OpenNetworks:
    """The networks whose machines are let in without a login, this one always (CONTRACT 9.23)."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks`: CIDR, such as 10.1.0.0/16. Raises `ValueError` for one that is none."""
        self._networks = tuple(ip_network(network) for network in networks)
        self._known = lru_cache(maxsize=4096)(self._look)

    def admit(self, peer: str) -> bool:
        """Whether a peer with this address is let in."""
        return self._known(peer)

    def check(self, peer: str) -> None:
        """Raises `Refusal` 403 for a peer that is not let in."""
        if not self.admit(peer):
            raise Refusal(403, f"{peer} is in none of this server's hqserver.openNetworks")

    def _look(self, peer: str) -> bool:
        if is_loopback(peer):
            return True
        try:
            address = ip_address(plain_address(peer))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


class AllowedHosts:
    """The names and addresses under which the server may be asked for: the defence against DNS rebinding.

    Loopback always, the address a connection came in by, and `names` (the machine's, those of the setting).
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.lower().rstrip(".") for name in names if name} | {"localhost"}

    def check(self, head: Head, local_address: str) -> None:
        """Raises `Refusal` 421 for another host. HTTP/1.0 may leave the header out."""
        host = head.headers.get("host")
        if host is None:
            return
        name = _host_name(host)
        if not (name in self._names or name == local_address or is_loopback(name)):
            raise Refusal(421, f"this server is not {host[:100]!r}")


@lru_cache(maxsize=256)
def _host_name(host: str) -> str:
    found = _HOST.fullmatch(host.strip().lower())
    return plain_address(found[1].strip("[]").rstrip(".")) if found else ""


def check_page(head: Head) -> None:
    """Raises `Refusal` for a GET with a body, or that another site's page makes (following a link is none)."""
    navigates = head.headers.get("sec-fetch-mode") == "navigate"
    if head.headers.get("sec-fetch-site") == "cross-site" and not navigates:
        raise Refusal(403, "pages of other sites may link here, not load from here")
    if head.headers.get("content-length", "0") != "0" or "transfer-encoding" in head.headers:
        raise Refusal(400, f"a {head.method} carries no body")


def check_call(head: Head) -> int:
    """The length of a call's body. Raises `Refusal` for a POST that is no XML-RPC, or that a web page makes.

    No XML-RPC library sends `Origin`, and every browser does.
    """
    headers = head.headers
    if "origin" in headers or headers.get("sec-fetch-site") == "cross-site":
        raise Refusal(403, "calls from web pages are not taken")
    if head.path not in RPC_PATHS:
        raise Refusal(404, f"calls are posted to /RPC2, not to {head.path[:100]!r}")
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if length is not None:
            raise Refusal(400, "both Content-Length and Transfer-Encoding")
        raise Refusal(501, "a call is sent with Content-Length, not with Transfer-Encoding")
    if length is None:
        raise Refusal(411, "a call needs a Content-Length")
    if not _LENGTH.fullmatch(length):
        raise Refusal(400, "Content-Length is not a number of bytes")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _XML:
        raise Refusal(415, f"a call is text/xml or application/xml, not {kind[:100]!r}")
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise Refusal(415, f"Content-Encoding {coding[:100]!r} is not read here; gzip is")
    return int(length)


def is_gzip(head: Head) -> bool:
    """Whether the request's body is compressed."""
    return "gzip" in head.headers.get("content-encoding", "").lower()


def bearer(head: Head) -> str:
    """The secret of `Authorization: Bearer`, or ""."""
    scheme, _, secret = head.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
