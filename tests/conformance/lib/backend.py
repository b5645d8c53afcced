"""A backend for the server's proxies: one HTTP server in this process, which answers as a test says."""

import dataclasses
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable

WAIT_SECONDS = 20
POLL_SECONDS = 0.02  # how often it looks whether it is to end


@dataclasses.dataclass
class Call:
    """What the server has asked."""

    method: str
    path: str
    headers: dict  # by lower-case names
    text: str

    @property
    def event(self) -> str:
        return self.path.strip("/")

    @property
    def body(self) -> dict:
        return json.loads(self.text)


@dataclasses.dataclass
class Reply:
    body: bytes = b"{}"
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    # Writes the body itself; `body` is what Content-Length speaks of.
    write: Callable | None = None


def result(**fields) -> Reply:
    return Reply(json.dumps({"result": fields}).encode())


class Backend(http.server.ThreadingHTTPServer):
    """`answer(call)` gives a Reply, on a thread of its own for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Call], Reply], tls: ssl.SSLContext | None = None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            # The handshake belongs to the connection's own thread, at its first read.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.answer = answer
        self.calls: list[Call] = []
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True).start()

    def url(self, path: str = "") -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/{path}"

    def take(self, call: Call) -> Reply:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        return self.answer(call)

    def wait_for(self, count: int) -> list[Call]:
        """The calls, when there are so many."""
        with self.changed:
            deadline = time.monotonic() + WAIT_SECONDS
            if not self.changed.wait_for(lambda: len(self.calls) >= count, deadline - time.monotonic()):
                raise AssertionError(f"{len(self.calls)} calls instead of {count}: {self.calls}")
            return list(self.calls)

    def handle_error(self, *_):
        pass  # a server that has given up is none

    def __exit__(self, *details) -> None:
        self.shutdown()
        super().__exit__(*details)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        text = self.rfile.read(length).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.take(Call(self.command, self.path, headers, text))
        self.send_response(reply.status)
        for name, value in ({"Content-Length": len(reply.body)} | reply.headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        if reply.write:
            reply.write(self)
        else:
            self.wfile.write(reply.body)

    do_GET = do_POST

    def log_message(self, *_):
        pass
