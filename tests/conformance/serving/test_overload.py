"""The program near its memory limit, and how it leaves: in what order it sheds, what it says, and how it recovers."""

import contextlib
import json
import re
import signal
import time
import unittest

from server import Server, merged, sanitizers
from websocket import TEXT, Closed, Refused, WebSocket

# Generous: a wait ends when its condition holds, and this is for a machine that does much else.
WAIT_SECONDS = 30
MEGABYTE = 1_000_000
PAYLOAD = "x" * 200_000

OPEN = {
    "client": {"insecure": True, "stale_close_delay": "60s"},
    "http_api": {"key": "api-key"},
    "prometheus": {"enabled": True},
    "channel": {"namespaces": [{"name": "kept", "history_size": 1, "history_ttl": "1h"}, {"name": "open"}]},
}
# Freed memory goes back to the system at once, where the server cannot ask its allocator what is in use.
PLAIN_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536"}
REFUSED = {"code": 111, "message": "too many requests"}


def command(connection: WebSocket, number: int, **request) -> dict:
    connection.send(json.dumps({"id": number, **request}).encode(), TEXT)
    answer = connection.receive(WAIT_SECONDS)
    assert isinstance(answer, bytes), answer
    return json.loads(answer)


def figures(server: Server) -> dict[str, float]:
    text = server.request("GET", "/metrics")[2]
    return {name: float(value) for name, value in re.findall(r"^(gyre_\w+) (\S+)$", text, re.MULTILINE)}


class Overload(unittest.TestCase):
    is_ordered = False  # each test has a server of its own

    def serve(self, changes: dict | None = None) -> Server:
        return self.enterContext(Server(merged(OPEN, changes or {}), PLAIN_MALLOC))

    def wait_for(self, what: str, condition) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited in vain for {what}")
            time.sleep(0.01)

    def wait_for_stage(self, server: Server, stage: int) -> None:
        self.wait_for(f"stage {stage}", lambda: figures(server)["gyre_overload_stage"] == stage)

    def limited(self, changes: dict | None = None) -> Server:
        """A server that may take some 60 MB more than it takes at rest."""
        with Server(OPEN, PLAIN_MALLOC) as resting:
            self.wait_for("the first look", lambda: figures(resting)["gyre_memory_used_bytes"] > 0)
            used = figures(resting)["gyre_memory_used_bytes"]
        # Nothing is shed at rest: that is at most 80 % of the limit.
        return self.serve(merged({"gyre": {"memory_limit": int(used / 0.75 + 60 * MEGABYTE)}}, changes or {}))

    def fill_to(self, server: Server, percent: int, filled: list[str]) -> None:
        """Keeps publications until so much of the limit is used and the server knows, or a connection was cut."""
        while True:
            seen = figures(server)
            missing = seen["gyre_memory_limit_bytes"] * percent / 100 - seen["gyre_memory_used_bytes"]
            if missing <= 0 or seen["gyre_overload_cut_connections_total"] > 0:
                return
            # Not fewer, so that they stand out against what requests take for a moment.
            count = max(5, int(missing / len(PAYLOAD) / 2))
            for _ in range(count):
                channel = f"kept:{len(filled)}"
                answer = server.api("publish", {"channel": channel, "data": PAYLOAD})
                if answer.get("error") == REFUSED:
                    return
                self.assertIn("result", answer)
                filled.append(channel)
            least = seen["gyre_memory_used_bytes"] + count * len(PAYLOAD) / 2
            self.wait_for("a look after that", lambda: self.has_grown(server, least))

    @staticmethod
    def has_grown(server: Server, least: float) -> bool:
        seen = figures(server)
        return seen["gyre_memory_used_bytes"] >= least or seen["gyre_overload_cut_connections_total"] > 0

    @unittest.skipIf(sanitizers(), "a sanitizer keeps what is freed, so that the resident size says nothing")
    def test_it_sheds_in_order_and_recovers(self):
        server = self.limited()
        with contextlib.ExitStack() as ends:
            client = WebSocket(server.port)
            ends.callback(client.abort)
            self.assertIn("connect", command(client, 1, connect={}))
            early = WebSocket(server.port)
            ends.callback(early.abort)
            filled: list[str] = []

            self.fill_to(server, 86, filled)
            self.wait_for("refusals", lambda: figures(server)["gyre_overload_stage"] >= 1)
            with self.assertRaises(Refused) as refused:
                WebSocket(server.port)
            self.assertEqual(refused.exception.status, 503)
            self.assertEqual(command(early, 1, connect={})["error"], REFUSED | {"temporary": True})
            self.assertEqual(figures(server)["gyre_overload_refused_publishes_total"], 0)

            self.fill_to(server, 97, filled)
            self.wait_for_stage(server, 3)
            self.assertEqual(server.api("publish", {"channel": "open:1", "data": {}}), {"error": REFUSED})
            status, _, _ = server.request("POST", "/api/publish", json.dumps({"channel": "open:1", "data": {}}),
                                          {"X-API-Key": "api-key", "X-Centrifugo-Error-Mode": "transport"})
            self.assertEqual(status, 429)
            self.assertEqual(command(client, 2, publish={"channel": "open:1", "data": {}})["error"],
                             REFUSED | {"temporary": True})
            seen = figures(server)
            self.assertGreaterEqual(seen["gyre_overload_refused_publishes_total"], 3)
            self.assertGreaterEqual(seen["gyre_overload_refused_connects_total"], 2)

            for channel in filled:
                server.api("history_remove", {"channel": channel})
            self.wait_for_stage(server, 0)
            self.assertIn("result", server.api("publish", {"channel": "open:1", "data": {}}))
            late = WebSocket(server.port)
            ends.callback(late.abort)
            self.assertIn("connect", command(late, 1, connect={}))
            self.wait_for("the end in the log", lambda: "nothing is refused any more" in server.log())
            self.assertIn("publications are refused", server.log())

    @unittest.skipIf(sanitizers(), "a sanitizer keeps what is freed, so that the resident size says nothing")
    def test_who_does_not_read_is_cut_when_memory_is_short(self):
        # No other bound ends it first.
        server = self.limited({"client": {"queue_max_size": 100 * MEGABYTE}, "websocket": {"write_timeout": "60s"}})
        with contextlib.ExitStack() as ends:
            deaf = WebSocket(server.port)
            ends.callback(deaf.abort)
            self.assertIn("connect", command(deaf, 1, connect={}))
            self.assertIn("subscribe", command(deaf, 2, subscribe={"channel": "open:1"}))
            for _ in range(50):  # more than the system keeps for a connection that is not read
                self.assertIn("result", server.api("publish", {"channel": "open:1", "data": PAYLOAD}))
            self.assertEqual(figures(server)["gyre_overload_cut_connections_total"], 0)
            self.fill_to(server, 92, [])
            self.wait_for("the cut", lambda: figures(server)["gyre_overload_cut_connections_total"] == 1)
            self.assertIn('num_server_disconnects{code="3008"} 1\n', server.request("GET", "/metrics")[2])

    def test_an_end_tells_some_clients_after_the_others(self):
        server = self.serve({"gyre": {"shutdown_rate": 4}})
        with contextlib.ExitStack() as ends:
            clients = [WebSocket(server.port) for _ in range(4)]
            for client in clients:
                ends.callback(client.abort)
                self.assertIn("connect", command(client, 1, connect={}))
            server.terminate()
            began = time.monotonic()
            for client in clients:
                self.assertEqual(client.receive(WAIT_SECONDS), Closed(3001, "shutdown"))
            # The last of n is told after (n-1)/n of the time; it cannot be earlier on any machine.
            self.assertGreaterEqual(time.monotonic() - began, 0.2)

    def test_a_second_signal_ends_it_at_once(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(second):
                server = Server(OPEN | {"gyre": {"shutdown_rate": 1}})
                with contextlib.ExitStack() as ends:
                    ends.enter_context(server)
                    clients = [WebSocket(server.port) for _ in range(20)]
                    for client in clients:
                        ends.callback(client.abort)
                        self.assertIn("connect", command(client, 1, connect={}))
                    server.terminate()
                    self.wait_for("the end", lambda: "shutting down" in server.log())
                    server.process.send_signal(second)
                    self.assertEqual(server.process.wait(WAIT_SECONDS), 1, server.log())
                    self.assertIn("stopped by a second signal", server.log())
                    server.process = None  # it has ended as it should


if __name__ == "__main__":
    unittest.main()
