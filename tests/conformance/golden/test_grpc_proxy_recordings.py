"""Proxies over GRPC, as recorded: requests byte for byte, metadata, deadlines, and what clients see of the answers."""

import collections
import json
import pathlib
import unittest

from grpc_backend import GrpcBackend
from matching import Bindings, Mismatch, compare
from server import Server
from websocket import TEXT, WebSocket

RECORDING = pathlib.Path(__file__).resolve().parents[2] / "golden" / "cluster" / "proxy_grpc.json"
WAIT_SECONDS = 20
SERVICE = "/centrifugal.centrifugo.proxy.CentrifugoProxy/"
ROUNDED_SECONDS = 0.02  # up, by the library, when it tells of a deadline
COMPARED_METADATA = ("cookie", "x-cred", "x-static")
UNIDIRECTIONAL = "subscribe stream unidirectional; server sends one publication then ends the stream after 1.5 s"
BIDIRECTIONAL = "subscribe stream bidirectional"
# A defect of the reference: it tells of the end that the client has asked for itself.
EXTRA_PUSH = "unsubscribe from bidirectional stream"

# What the recorder's client said.
COMMANDS = {
    "connect": '{"id":1,"connect":{"data":{"c": 1},"name":"js"}}',
    "subscribe": '{"id":2,"subscribe":{"channel":"sp:a","data":{"q": 1}}}',
    "publish": '{"id":3,"publish":{"channel":"sp:a","data":{"p": 1}}}',
    "rpc": '{"id":4,"rpc":{"method":"m","data":{"x": 1}}}',
    UNIDIRECTIONAL: '{"id":5,"subscribe":{"channel":"uni:a"}}',
    "publish into unidirectional stream channel": '{"id":6,"publish":{"channel":"uni:a","data":{"p": 1}}}',
    BIDIRECTIONAL: '{"id":7,"subscribe":{"channel":"bidi:a","data":{"o": 1}}}',
    "publish into bidirectional stream": '{"id":8,"publish":{"channel":"bidi:a","data":{"p": 1}}}',
    EXTRA_PUSH: '{"id":9,"unsubscribe":{"channel":"bidi:a"}}',
}


def config(backend: GrpcBackend) -> dict:
    proxy = {
        "endpoint": backend.endpoint,
        "timeout": "1s",
        "http_headers": ["Cookie"],
        "include_connection_meta": True,
        "grpc": {
            "credentials_key": "x-cred",
            "credentials_value": "cv",
            "static_metadata": {"X-Static": "s"},
        },
    }
    return {
        "client": {"proxy": {"connect": proxy | {"enabled": True}}},
        "channel": {
            # The reference forwards nothing here unless names are in lower case, which we do not do after it.
            "proxy": {"subscribe": proxy, "publish": proxy, "subscribe_stream": proxy | {"http_headers": []}},
            "namespaces": [
                {"name": "sp", "subscribe_proxy_enabled": True, "publish_proxy_enabled": True},
                {"name": "uni", "subscribe_stream_proxy_enabled": True},
                {
                    "name": "bidi",
                    "subscribe_stream_proxy_enabled": True,
                    "subscribe_stream_proxy_bidirectional": True,
                },
            ],
        },
        "rpc": {"proxy": proxy, "without_namespace": {"proxy_enabled": True}},
    }


class Exchange:
    """The recording against a server."""

    def __init__(self, server: Server, backend: GrpcBackend, answers: dict):
        self.backend, self.answers = backend, answers
        self.bindings = Bindings()
        self.connection = WebSocket(server.port, headers={"Cookie": "a=b"})
        self.messages: collections.deque = collections.deque()

    def run(self, step: dict) -> None:
        name, recorded, pushes = step["step"], step["grpc_calls"], step["client_pushes"]
        for call in recorded:
            self.prepare(name, call["method"].removeprefix(SERVICE))
        self.connection.send(COMMANDS[name].encode(), TEXT)
        if name == EXTRA_PUSH:
            pushes = []
        heard = [self.hear() for _ in range(1 + len(pushes))]
        compare([step["client_reply"]], [m for m in heard if "push" not in m], self.bindings)
        compare(pushes, [m for m in heard if "push" in m], self.bindings)
        if name == EXTRA_PUSH:
            self.expect_end()
        elif recorded and name == "publish into bidirectional stream":
            self.expect_bytes(self.backend.heard(self.stream), recorded[0])
        else:
            for call in recorded:
                self.expect(call)

    def prepare(self, step: str, method: str) -> None:
        messages = [bytes.fromhex(self.answers[method])]
        if method + "#pub" in self.answers:
            messages.append(bytes.fromhex(self.answers[method + "#pub"]))
        self.backend.answer(method, *messages, **({"hangs": True} if step == BIDIRECTIONAL else {"status": "OK"}))

    def expect_end(self) -> None:
        """The backend is told, the client is told nothing more."""
        if self.backend.heard(self.stream) is not None:
            raise Mismatch("the stream went on")
        self.connection.send(b'{"id":10,"unsubscribe":{"channel":"nothing"}}', TEXT)
        compare({"id": 10, "unsubscribe": {}}, self.hear(), self.bindings)

    def hear(self) -> dict:
        if not self.messages:
            frame = self.connection.receive(WAIT_SECONDS)
            if not isinstance(frame, bytes):
                raise Mismatch(f"{frame} instead of a message")
            self.messages.extend(json.loads(line) for line in frame.decode().split("\n"))
        return self.messages.popleft()

    def expect(self, recorded: dict) -> None:
        call = self.backend.asked()
        if SERVICE + call.method != recorded["method"]:
            raise Mismatch(f"{call.method} instead of {recorded['method']}")
        self.stream = call
        self.expect_bytes(call.message, recorded)
        for name in COMPARED_METADATA:
            if call.metadata.get(name) != recorded["metadata"].get(name):
                raise Mismatch(f"{name}: {call.metadata.get(name)} instead of {recorded['metadata'].get(name)}")
        if "deadline_ms_left" in recorded and not 0 < call.left <= 1 + ROUNDED_SECONDS:
            raise Mismatch(f"{call.left} s were left, {recorded['deadline_ms_left']} ms when it was recorded")

    def expect_bytes(self, message: bytes, recorded: dict) -> None:
        expected = self.bindings.rewrite_bytes(bytes.fromhex(recorded["request_hex"]))
        if message != expected:
            raise Mismatch(f"{message} instead of {expected}")


class GrpcProxyRecordings(unittest.TestCase):
    maxDiff = None

    def test_proxy_grpc(self):
        recording = json.loads(RECORDING.read_text())
        with GrpcBackend() as backend, Server(config(backend)) as server:
            exchange = Exchange(server, backend, recording["response_hex_by_method"])
            for step in recording["steps"]:
                with self.subTest(step["step"]):
                    exchange.run(step)
            exchange.connection.abort()
