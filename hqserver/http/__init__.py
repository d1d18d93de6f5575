"""The server's HTTP: one port for XML-RPC and pages. `HttpServer` is what the application starts."""

from hqserver.http.crowd import HttpLimits
from hqserver.http.messages import Refusal, WebRequest, WebResponse
from hqserver.http.server import HttpServer, body_limit_by_address

__all__ = ["HttpLimits", "HttpServer", "Refusal", "WebRequest", "WebResponse", "body_limit_by_address"]
