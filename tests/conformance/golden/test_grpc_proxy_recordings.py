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
COMPARED_METADATA = ("cookie", "x-cred", "x-static")

# What the recorder's client said.
COMMANDS = {
    "connect": '{"id":1,"connect":{"data":{"c": 1},"name":"js"}}',
    "subscribe": '{"id":2,"subscribe":{"channel":"sp:a","data":{"q": 1}}}',
    "publish": '{"id":3,"publish":{"channel":"sp:a","data":{"p": 1}}}',
    "rpc": '{"id":4,"rpc":{"method":"m","data":{"x": 1}}}',
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
            "proxy": {"subscribe": proxy, "publish": proxy},
            "namespaces": [
                {"name": "sp", "subscribe_proxy_enabled": True, "publish_proxy_enabled": True},
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
        for call in step["grpc_calls"]:
            self.prepare(call["method"].removeprefix(SERVICE))
        self.connection.send(COMMANDS[step["step"]].encode(), TEXT)
        heard = [self.hear() for _ in range(1 + len(step["client_pushes"]))]
        pushes = [message for message in heard if "push" in message]
        compare([step["client_reply"]], [m for m in heard if "push" not in m], self.bindings)
        compare(step["client_pushes"], pushes, self.bindings)
        for call in step["grpc_calls"]:
            self.expect(call)

    def prepare(self, method: str) -> None:
        self.backend.answer(method, bytes.fromhex(self.answers[method]))

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
        expected = self.bindings.rewrite_bytes(bytes.fromhex(recorded["request_hex"]))
        if call.message != expected:
            raise Mismatch(f"{call.message} instead of {expected}")
        for name in COMPARED_METADATA:
            if call.metadata.get(name) != recorded["metadata"].get(name):
                raise Mismatch(f"{name}: {call.metadata.get(name)} instead of {recorded['metadata'].get(name)}")
        # What is left is written rounded up, a hundredth at most.
        if "deadline_ms_left" in recorded and not 0 < call.left <= 1.02:
            raise Mismatch(f"{call.left} s were left, {recorded['deadline_ms_left']} ms when it was recorded")


class GrpcProxyRecordings(unittest.TestCase):
    maxDiff = None

    def test_proxy_grpc(self):
        recording = json.loads(RECORDING.read_text())
        with GrpcBackend() as backend, Server(config(backend)) as server:
            exchange = Exchange(server, backend, recording["response_hex_by_method"])
            for step in recording["steps"]:
                if step["step"] not in COMMANDS:
                    continue
                with self.subTest(step["step"]):
                    exchange.run(step)
            exchange.connection.abort()
