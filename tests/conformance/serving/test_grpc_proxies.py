"""Backends over GRPC that do not behave: whatever they do, the client gets its answer and nobody else waits for it."""

import json
import pathlib
import re
import time
import unittest

from grpc_backend import GrpcBackend
from server import Server, free_port, sanitizers
from websocket import TEXT, WebSocket

WAIT_SECONDS = 20
FAILED = {"code": 100, "message": "internal server error", "temporary": True}
ANSWER = bytes.fromhex("0a030a0131")  # {"result": {"data": 1}}
ANSWERED = {"data": 1}


class Served(unittest.TestCase):
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
        return next((line.split(" ")[-1] for line in text.splitlines() if line.startswith(name)), "0")

    def threads(self, server: Server) -> list[str]:
        tasks = pathlib.Path(f"/proc/{server.process.pid}/task")
        return [path.read_text().strip() for path in tasks.glob("*/comm")]


class GrpcProxies(Served):
    def test_a_backend_that_hangs_costs_its_timeout_and_holds_up_nobody(self):
        backend = self.backend()
        server = self.serve(backend.endpoint, timeout="5s")
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

    @unittest.skipIf("tsan" in sanitizers(), "ThreadSanitizer takes equal numbers of different tables for one descriptor")
    def test_it_has_a_descriptor_table_where_shards_have_their_own(self):
        backend = self.backend()
        backend.answer("RPC", ANSWER)
        server = self.serve(backend.endpoint, gyre={"shards": 3, "descriptor_tables": "per_shard"})
        for _ in range(30):  # from whichever shard
            self.assertEqual(self.call(server), ANSWERED)


BEGIN = bytes.fromhex("0a020a00")  # {"subscribe_response": {"result": {}}}


def publication(data: bytes) -> bytes:
    def field(number: int, value: bytes) -> bytes:
        size, length = len(value), b""
        while size > 0x7F:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + value

    return field(2, field(4, data))


class SubscriptionStreams(Served):
    """Streams whose backends, or whose clients, do not behave."""

    def serve(self, endpoint: str, timeout: str = "20s", **more) -> Server:
        channel = {
            "proxy": {"subscribe_stream": {"endpoint": endpoint, "timeout": timeout}},
            "without_namespace": {
                "subscribe_stream_proxy_enabled": True,
                "subscribe_stream_proxy_bidirectional": True,
            },
        }
        return super().serve(endpoint, channel=channel, **more)

    def subscribe(self, server: Server):
        connection = self.connect(server)
        return connection, self.say(connection, {"id": 2, "subscribe": {"channel": "c"}})

    def test_an_answer_that_does_not_come_or_is_none(self):
        backend = self.backend()
        server = self.serve(backend.endpoint, timeout="1s")
        for answer in ({"hangs": True}, {"status": "OK"}, {"status": "UNKNOWN"}):
            backend.answer("SubscribeBidirectional", **answer)
            _, told = self.subscribe(server)
            self.assertEqual(told, {"id": 2, "error": FAILED}, answer)
        for garbage in (b"\xff", publication(b"1")):
            backend.answer("SubscribeBidirectional", garbage, hangs=True)
            connection, told = self.subscribe(server)
            self.assertEqual(told, {"id": 2, "error": FAILED}, garbage)
        # Nothing is left of it.
        backend.answer("SubscribeBidirectional", BEGIN, hangs=True)
        told = self.say(connection, {"id": 3, "subscribe": {"channel": "c"}})
        self.assertEqual(told, {"id": 3, "subscribe": {}})

    def test_the_end_of_a_stream_ends_the_subscription(self):
        ends = {"OK": (2000, "server unsubscribe"), "ABORTED": (2500, "insufficient state")}
        backend = self.backend()
        server = self.serve(backend.endpoint)
        backend.answer("SubscribeBidirectional", BEGIN, hangs=True)
        for status, (code, reason) in ends.items():
            connection, told = self.subscribe(server)
            self.assertEqual(told, {"id": 2, "subscribe": {}})
            backend.say(backend.asked(), status=status)
            end = {"push": {"channel": "c", "unsubscribe": {"code": code, "reason": reason}}}
            self.assertEqual(self.hear(connection), end)
        connection, _ = self.subscribe(server)
        backend.say(backend.asked(), b"\xff")
        self.assertEqual(self.hear(connection)["push"]["unsubscribe"]["code"], 2500)
        connection, _ = self.subscribe(server)
        backend.kill()
        self.assertEqual(self.hear(connection)["push"]["unsubscribe"]["code"], 2500)

    def test_a_client_that_goes_away_cancels_its_stream(self):
        backend = self.backend()
        server = self.serve(backend.endpoint)
        backend.answer("SubscribeBidirectional", BEGIN, hangs=True)
        connection, _ = self.subscribe(server)
        stream = backend.asked()
        connection.abort()
        self.assertIsNone(backend.heard(stream))

    def test_a_flood_waits_for_a_client_that_does_not_read(self):
        """The backend gets stuck, and goes on when the client reads; everything arrives, in order."""
        count, size = 400, 100_000  # far more than sockets and the client's queue hold
        backend = self.backend()
        server = self.serve(backend.endpoint)
        flood = [publication(b'"%05d' % i + b"x" * size + b'"') for i in range(count)]
        backend.answer("SubscribeBidirectional", BEGIN, *flood, hangs=True)
        connection = self.connect(server)
        self.send(connection, {"id": 2, "subscribe": {"channel": "c"}})
        sent = 'centrifugo_transport_messages_sent{channel_namespace="",frame_type="push_publication"'
        self.until_still(lambda: float(self.metric(server, sent)))
        self.assertLess(float(self.metric(server, sent)), count / 2)
        heard = []
        while len(heard) < count + 1:
            frame = connection.receive(WAIT_SECONDS)
            self.assertIsInstance(frame, bytes, server.log()[-2000:])
            heard += [json.loads(text) for text in frame.decode().split("\n")]
        self.assertEqual(heard[0], {"id": 2, "subscribe": {}})
        told = [message["push"]["pub"]["data"][:5] for message in heard[1:]]
        self.assertEqual(told, ["%05d" % i for i in range(count)])

    def until_still(self, look) -> None:
        """Until it is more than nothing and does not change any more."""
        deadline, last, now = time.monotonic() + WAIT_SECONDS, -1.0, 0.0
        while (now == 0 or now != last) and time.monotonic() < deadline:
            time.sleep(0.3)
            last, now = now, look()
