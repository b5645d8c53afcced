"""Subscriptions to wildcards on the wire, in both formats and on several shards: pushes and what they name."""

import base64
import collections
import json
import unittest

import protobuf
from server import Server
from websocket import BINARY, TEXT, WebSocket

WAIT_SECONDS = 20
# So many connections that two shards have some each, but for one run in a thousand.
CLIENTS = 12
OPEN = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
CONFIG = {
    "client": {"allow_anonymous_connect_without_token": True},
    "http_api": {"key": "api-key"},
    "prometheus": {"enabled": True},
    "channel": {
        "without_namespace": {**OPEN, "history_size": 10, "history_ttl": "60s"},
        "namespaces": [{"name": "closed"}],
    },
    "gyre": {
        "shards": 2,
        "wildcards": {"rules": [{"pattern": "news.>"}, {"pattern": "closed:*", "namespace": "closed"}]},
    },
}


class Client:
    """A connection in one format: replies and pushes as dictionaries, payloads decoded."""

    def __init__(self, server: Server, is_protobuf: bool):
        self.is_protobuf = is_protobuf
        self._socket = WebSocket(server.port, subprotocols=["centrifuge-protobuf"] if is_protobuf else ())
        self._messages = collections.deque()
        self.command(1, "connect")

    def command(self, number: int, name: str, channel: str = "") -> dict:
        if self.is_protobuf:
            numbers = {"connect": 4, "subscribe": 5, "unsubscribe": 6}
            request = bytes([0x0A, len(channel)]) + channel.encode() if channel else b""
            command = bytes([0x08, number, numbers[name] << 3 | 2, len(request)]) + request
            self._socket.send(bytes([len(command)]) + command, BINARY)
        else:
            request = {"channel": channel} if channel else {}
            self._socket.send(json.dumps({"id": number, name: request}).encode(), TEXT)
        reply = self.next()
        assert reply["id"] == number, reply
        return reply

    def next(self) -> dict:
        while not self._messages:
            frame = self._socket.receive(WAIT_SECONDS)
            assert isinstance(frame, bytes), frame
            if self.is_protobuf:
                self._messages += map(protobuf.decode, protobuf.frame_messages(frame))
            else:
                self._messages += map(json.loads, frame.splitlines())
        return self._messages.popleft()

    def push(self) -> tuple:
        """The channel of the next push, that of its publication, its data and its offset."""
        push = self.next()["push"]
        data = push["pub"]["data"]
        if self.is_protobuf:
            data = json.loads(base64.b64decode(data))
        return push["channel"], push["pub"].get("channel"), data, push["pub"].get("offset")


class Wildcards(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.server = self.enterContext(Server(CONFIG))

    def publish(self, channel: str, data) -> dict:
        return self.server.api("publish", {"channel": channel, "data": data})

    def test_pushes_name_the_wildcard_and_the_channel(self):
        clients = [Client(self.server, is_protobuf=i % 2 == 0) for i in range(CLIENTS)]
        for client in clients:
            self.assertEqual(client.command(2, "subscribe", "news.*"), {"id": 2, "subscribe": {}})
            self.assertEqual(client.command(3, "subscribe", "news.4"), {"id": 3, "subscribe": {}})
        channels = [f"news.{i}" for i in range(10)]
        for hidden in ("news", "news.1.2", "$news.1", "news.#1", "closed:1", "other.1"):
            self.publish(hidden, "hidden")
        for i in range(1, 4):
            for channel in channels:
                self.publish(channel, i)
        expected = {channel: [("news.*", channel, i, i) for i in range(1, 4)] for channel in channels}
        for client in clients:
            heard, exact = collections.defaultdict(list), []
            for _ in range(33):
                push = client.push()
                (exact if push[1] is None else heard[push[1]]).append(push)
            self.assertEqual(heard, expected)
            self.assertEqual(exact, [("news.4", None, i, i) for i in range(1, 4)])
        status, _, metrics = self.server.request("GET", "/metrics", "", {})
        self.assertEqual(status, 200)
        self.assertIn("\ngyre_wildcards 1\n", metrics)
        self.assertIn("\ngyre_wildcard_publications_total 30\n", metrics)

    def test_who_has_left_gets_nothing_more(self):
        client = Client(self.server, is_protobuf=False)
        client.command(2, "subscribe", "news.*")
        client.command(3, "unsubscribe", "news.*")
        self.publish("news.a", 1)
        client.command(4, "subscribe", "news.>")
        self.publish("news.b", 2)
        self.assertEqual(client.push(), ("news.>", "news.b", 2, 1))

    def test_refuses_what_no_rule_or_permission_allows(self):
        client = Client(self.server, is_protobuf=True)
        for number, (name, code) in enumerate(
            [(">", 103), ("other.*", 103), ("closed:*", 103), ("news.>.a", 107), ("nope:*", 102)], start=2
        ):
            self.assertEqual(client.command(number, "subscribe", name)["error"]["code"], code, name)
        self.assertEqual(self.publish("news.*", 1)["error"]["code"], 107)


if __name__ == "__main__":
    unittest.main()
