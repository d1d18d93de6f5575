"""A real mail server on loopback for tests: aiosmtpd, with refusals by address and certificates of an own authority."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

CERTIFICATES = Path(__file__).resolve().parent / "certificates"
"""`authority.pem` signed `localhost.pem`, both from 2020 to 2120; the authority's key was thrown away."""

USER, PASSWORD = "farm", "a secret of 9 words"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost.key")
    return context


class PostOffice:
    """Takes mail. An address that begins with `gone` is refused for good, one with `busy` for now, and one with
    `hangup` ends the connection; so is a mail with "spam" in its text, and a sender in `unwelcome`."""

    def __init__(self) -> None:
        self.port = 0
        self.envelopes: list[Any] = []
        self.connections = 0
        self.secured: list[bool] = []
        self.logins: list[bool] = []
        self.unwelcome: set[str] = set()

    @property
    def recipients(self) -> list[str]:
        """Whom mail came for, in the order in which it came."""
        return [recipient for envelope in self.envelopes for recipient in envelope.rcpt_tos]

    def mail(self, number: int = -1) -> EmailMessage:
        """One of the mails, as its reader's program sees it."""
        found = message_from_bytes(self.envelopes[number].content, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.unwelcome:
            return "550 5.7.1 no mail from here"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("gone"):
            return "550 5.1.1 nobody of that name"
        if address.startswith("busy"):
            return "451 4.2.1 mailbox busy"
        if address.startswith("closing"):
            return "421 4.3.2 shutting down"
        if address.startswith("hangup"):
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if b"spam" in envelope.content:
            return "554 5.7.1 we do not like that"
        self.envelopes.append(envelope)
        self.secured.append(server.transport.get_extra_info("ssl_object") is not None)
        self.logins.append(session.authenticated)
        return "250 OK"

    @contextmanager
    def open(self, *, security: str = "none", login: bool = False) -> Iterator[None]:
        """Take mail for the length of the block, at the same port each time."""
        loop = asyncio.new_event_loop()

        def make() -> SMTP:
            self.connections += 1
            return SMTP(
                self,
                hostname="localhost",
                loop=loop,
                tls_context=server_context() if security == "starttls" else None,
                require_starttls=security == "starttls",
                authenticator=self._authenticate if login else None,
                # It asks for STARTTLS before a login, and does not see that the whole connection is TLS.
                auth_required=login and security == "starttls",
                auth_require_tls=security == "starttls",
            )

        async def listen() -> asyncio.Server:
            secured = server_context() if security == "tls" else None
            return await loop.create_server(make, "127.0.0.1", self.port, ssl=secured)

        async def end() -> None:
            server.close()
            await server.wait_closed()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        server = loop.run_until_complete(listen())
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(end())
            loop.close()

    def _authenticate(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)
