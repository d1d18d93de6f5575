"""A receiver of webhooks for tests: a real HTTP server on loopback that keeps what it gets, and answers as told."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Post:
    """One request: where to, its head, its body."""

    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers 204, or what `answers` says next; `before_answer` is called with each request before it is answered."""

    def __init__(self) -> None:
        self.port = 0
        self.posts: list[Post] = []
        self.answers: deque[int] = deque()
        self.before_answer: Callable[[Post], object] = lambda post: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/farm?token=x"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Take webhooks for the length of the block, at the same port each time."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                post = Post(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                receiver.posts.append(post)
                receiver.before_answer(post)
                self.send_response(receiver.answers.popleft() if receiver.answers else 204)
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            server.daemon_threads = True
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, args=[0.02])
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
