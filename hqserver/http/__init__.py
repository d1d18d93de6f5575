"""The server's HTTP: one port for XML-RPC and pages. `HttpServer` is what the application starts."""

from hqserver.http.crowd import HttpLimits
from hqserver.http.messages import Refusal
from hqserver.http.server import HttpServer
from hqserver.web import WebRequest, WebResponse

__all__ = ["HttpLimits", "HttpServer", "Refusal", "WebRequest", "WebResponse"]
