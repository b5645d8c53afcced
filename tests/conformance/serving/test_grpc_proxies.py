"""Backends over GRPC that do not behave: whatever they do, the client gets its answer and nobody else waits for it."""

import json
import pathlib
import re
import unittest

from grpc_backend import GrpcBackend
from server import Server, free_port
from websocket import TEXT, WebSocket

WAIT_SECONDS = 20
FAILED = {"code": 100, "message": "internal server error", "temporary": True}
ANSWER = bytes.fromhex("0a030a0131")  # {"result": {"data": 1}}
ANSWERED = {"data": 1}


class GrpcProxies(unittest.TestCase):
    is_ordered = False

    def serve(self, endpoint: str, timeout: str = "20s", **more) -> Server:
        rpc = {"proxy": {"endpoint": endpoint, "timeout": timeout}, "without_namespace": {"proxy_enabled": True}}
        config = {"client": {"allow_anonymous_connect_without_token": True}, "rpc": rpc, "gyre": {"shards": 2}}
        return self.enterContext(Server(config | {"prometheus": {"enabled": True}} | more))

    def backend(self, port: int = 0) -> GrpcBackend:
        return self.enterContext(GrpcBackend(port))

    def connect(self, server: Server) -> WebSocket:
        connection = WebSocket(server.port)
        self.addCleanup(connection.abort)
        self.assertIn("connect", self.say(connection, {"id": 1, "connect": {}}))
        return connection

    def send(self, connection: WebSocket, command: dict) -> None:
        connection.send(json.dumps(command).encode(), TEXT)

    def hear(self, connection: WebSocket) -> dict:
        return json.loads(connection.receive(WAIT_SECONDS))

    def say(self, connection: WebSocket, command: dict) -> dict:
        self.send(connection, command)
        return self.hear(connection)

    def call(self, server: Server) -> dict:
        answer = self.say(self.connect(server), {"id": 2, "rpc": {"method": "m"}})
        return answer.get("rpc") or answer["error"]

    def metric(self, server: Server, name: str) -> str:
        _, _, text = server.request("GET", "/metrics")
        return next(line.split(" ")[-1] for line in text.splitlines() if line.startswith(name))

    def threads(self, server: Server) -> list[str]:
        tasks = pathlib.Path(f"/proc/{server.process.pid}/task")
        return [path.read_text().strip() for path in tasks.glob("*/comm")]

    def test_a_backend_that_hangs_costs_its_timeout_and_holds_up_nobody(self):
        backend = self.backend()
        server = self.serve(backend.endpoint, timeout="2s")
        backend.answer("RPC", hangs=True)
        waiting = self.connect(server)
        self.send(waiting, {"id": 2, "rpc": {"method": "slow"}})
        hanging = backend.asked()
        self.assertEqual(self.metric(server, "centrifugo_proxy_inflight_requests"), "1")
        backend.answer("RPC", ANSWER)
        for _ in range(4):
            self.assertEqual(self.call(server), ANSWERED)
        self.assertEqual(self.hear(waiting), {"id": 2, "error": FAILED})
        self.assertIsNone(backend.heard(hanging))  # it has been told
        self.assertEqual(self.metric(server, "centrifugo_proxy_errors{"), "1")
        self.assertRegex(server.log(), r"DEADLINE_EXCEEDED")
        self.assertEqual(self.say(waiting, {"id": 3, "rpc": {"method": "m"}}), {"id": 3, "rpc": ANSWERED})

    def test_garbage_is_a_failed_call(self):
        backend = self.backend()
        server = self.serve(backend.endpoint)
        for garbage in (b"\xff", b"\x0a\x05ab", b"\x0a\x03\x12\x01*", b"oops, this is text"):
            backend.answer("RPC", garbage)
            self.assertEqual(self.call(server), FAILED, garbage)
        for status in ("UNKNOWN", "PERMISSION_DENIED", "UNAVAILABLE", "CANCELLED"):
            backend.answer("RPC", status=status)
            self.assertEqual(self.call(server), FAILED, status)
        backend.answer("RPC", ANSWER)
        self.assertEqual(self.call(server), ANSWERED)

    def test_an_answer_that_is_too_large_is_a_failed_call(self):
        backend = self.backend()
        server = self.serve(backend.endpoint, gyre={"shards": 2, "outbound": {"max_response_size": 1000}})
        backend.answer("RPC", b"\x0a\xee\x07\x0a\xeb\x07" + b'"' + b"x" * 1001 + b'"')
        self.assertEqual(self.call(server), FAILED)

    def test_a_backend_that_dies_and_comes_back(self):
        backend = self.backend()
        server = self.serve(backend.endpoint)
        backend.answer("RPC", hangs=True)
        waiting = self.connect(server)
        self.send(waiting, {"id": 2, "rpc": {"method": "m"}})
        backend.asked()
        backend.kill()
        self.assertEqual(self.hear(waiting), {"id": 2, "error": FAILED})
        self.assertEqual(self.call(server), FAILED)
        again = self.backend(backend.port)
        again.answer("RPC", ANSWER)
        answers = [self.call(server) for _ in range(2)]
        while answers[-1] != ANSWERED and len(answers) < 2000:
            answers.append(self.call(server))
        self.assertEqual(answers[-1], ANSWERED)

    def test_a_backend_that_is_not_there_is_a_failed_call(self):
        self.assertEqual(self.call(self.serve(f"127.0.0.1:{free_port()}")), FAILED)

    def test_there_is_nothing_of_it_before_the_first_call(self):
        backend = self.backend()
        backend.answer("RPC", ANSWER)
        server = self.serve(backend.endpoint)
        before = self.threads(server)
        self.assertFalse([name for name in before if re.search("grpc", name)])
        self.assertEqual(self.call(server), ANSWERED)
        self.assertIn("gyre-grpc", self.threads(server))

    def test_it_has_a_descriptor_table_where_shards_have_their_own(self):
        backend = self.backend()
        backend.answer("RPC", ANSWER)
        server = self.serve(backend.endpoint, gyre={"shards": 3, "descriptor_tables": "per_shard"})
        for _ in range(30):  # from whichever shard
            self.assertEqual(self.call(server), ANSWERED)
