"""Delivery rules of namespaces: what becomes of a subscriber that does not read, and of one beside it; batches."""

import itertools
import json
import re
import unittest

from server import Server
from websocket import TEXT, Closed, WebSocket

# Generous: a wait ends when its condition holds, and this is for a machine that does much else.
WAIT_SECONDS = 30
PAD = "x" * 200_000
MOST = 400  # publications: far more bytes than the system keeps for a connection that is not read

CONFIG = {
    "client": {
        "insecure": True,
        "queue_max_size": 4_000_000,
        "ping_interval": "300s",
        "pong_timeout": "200s",
    },
    "websocket": {"write_timeout": "200s"},
    "http_api": {"key": "api-key"},
    "prometheus": {"enabled": True},
    "channel": {
        "namespaces": [
            {"name": "ticker"},
            {"name": "chat", "history_size": 1000, "history_ttl": "1h", "force_recovery": True},
            {"name": "calm"},
        ]
    },
    "gyre": {
        "delivery": [
            {"namespace": "ticker", "slow_consumer": "keep_latest"},
            {"namespace": "chat", "slow_consumer": "resubscribe"},
            {"namespace": "calm", "batch_max_delay": "60s"},
        ]
    },
}


class Subscriber:
    """A connection that is subscribed to one channel and reads when it is asked to."""

    def __init__(self, server: Server, channel: str):
        self.channel = channel
        self.connection = WebSocket(server.port)
        self.waiting: list[dict] = []
        self.numbers = itertools.count(1)
        assert "connect" in self.command(connect={})
        self.subscribed = self.command(subscribe={"channel": channel})["subscribe"]

    def command(self, **request) -> dict:
        number = next(self.numbers)
        self.connection.send(json.dumps({"id": number, **request}).encode(), TEXT)
        return self.next_but_pushes(number)

    def next_but_pushes(self, number: int) -> dict:
        while (message := self.next()).get("id") != number:
            assert "push" in message, message
        return message

    def next(self) -> dict:
        if not self.waiting:
            frame = self.connection.receive(WAIT_SECONDS)
            assert isinstance(frame, bytes), frame
            self.waiting = [json.loads(line) for line in frame.split(b"\n")]
        return self.waiting.pop(0)

    def push(self) -> dict:
        return self.next()["push"]

    def publication(self) -> int:
        push = self.push()
        assert "pub" in push, push
        return push["pub"]["data"]["n"]


class Delivery(unittest.TestCase):
    is_ordered = False  # each test has a server of its own

    def serve(self) -> Server:
        return self.enterContext(Server(CONFIG))

    def subscriber(self, server: Server, channel: str) -> Subscriber:
        subscriber = Subscriber(server, channel)
        self.addCleanup(subscriber.connection.abort)
        return subscriber

    def publish(self, server: Server, channel: str, number: int, pad: str = "") -> None:
        answer = server.api("publish", {"channel": channel, "data": {"n": number, "pad": pad}})
        self.assertIn("result", answer)

    def figure(self, server: Server, name: str) -> float:
        text = server.request("GET", "/metrics")[2]
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        self.assertIsNotNone(found, name)
        return float(found[1])

    def publish_until(self, server: Server, good: Subscriber, figure: str, least: int) -> int:
        """Publishes until the figure is reached; who reads gets all of it. Returns the last number."""
        for number in range(1, MOST):
            self.publish(server, good.channel, number, PAD)
            self.assertEqual(good.publication(), number)
            if self.figure(server, figure) >= least:
                return number
        self.fail(f"{figure} stays below {least}")

    def test_who_does_not_read_gets_the_newest_later(self):
        server = self.serve()
        good, deaf = (self.subscriber(server, "ticker:a") for _ in range(2))
        skipped = 'gyre_delivery_skipped_publications_total{reason="slow"}'
        last = self.publish_until(server, good, skipped, 5)
        heard = [deaf.publication()]
        while heard[-1] != last:
            heard.append(deaf.publication())
        self.assertEqual(heard[:-1], list(range(1, len(heard))))
        self.assertEqual(last - len(heard), self.figure(server, skipped))
        self.publish(server, "ticker:a", last + 1)
        self.assertEqual([one.publication() for one in (good, deaf)], [last + 1] * 2)

    def test_who_does_not_read_is_told_of_the_gap(self):
        server = self.serve()
        good, deaf = (self.subscriber(server, "chat:a") for _ in range(2))
        last = self.publish_until(server, good, "gyre_delivery_cut_subscriptions_total", 1)
        heard = []
        while "pub" in (push := deaf.push()):
            heard.append(push["pub"])
        self.assertEqual([one["data"]["n"] for one in heard], list(range(1, len(heard) + 1)))
        self.assertEqual(push["unsubscribe"]["code"], 2500)
        self.assertLess(len(heard), last)
        # What it has missed is there for it.
        since = {"recover": True, "offset": heard[-1]["offset"], "epoch": deaf.subscribed["epoch"]}
        again = deaf.command(subscribe={"channel": "chat:a", **since})["subscribe"]
        self.assertTrue(again["recovered"])
        missed = [one["data"]["n"] for one in again["publications"]]
        self.assertEqual(missed, list(range(len(heard) + 1, last + 1)))
        self.publish(server, "chat:a", last + 1)
        self.assertEqual([one.publication() for one in (good, deaf)], [last + 1] * 2)

    def test_a_batch_is_not_lost_with_the_node(self):
        server = self.serve()
        client = self.subscriber(server, "calm:a")
        for number in range(3):
            self.publish(server, "calm:a", number)
        self.assertEqual(self.figure(server, "gyre_delivery_batched_publications_total"), 3)
        server.terminate()
        self.assertEqual([client.publication() for _ in range(3)], [0, 1, 2])
        self.assertEqual(client.connection.receive(WAIT_SECONDS), Closed(3001, "shutdown"))


if __name__ == "__main__":
    unittest.main()
