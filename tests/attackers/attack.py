"""What an attack is, and what it has to work with."""

import dataclasses
import json
import select
import time
from collections.abc import Callable

from peer import TEXT, Peer, frame, ready

API_KEY = "api-key"
SECRET = "secret"
MIB = 1024 * 1024

# What a person does with an application, and more; docs/attackers.md tells operators to set the like.
COMMAND_RATES = {"default": {"rate": 50, "burst": 200}, "unsubscribe": {"rate": 50, "burst": 200},
                 "history": {"rate": 10, "burst": 20}}
HTTP_RATE = {"rate": 100, "burst": 200}

# An open server: strangers may connect, subscribe, publish and ask for history, so that an attack gets as far as it can;
# but no faster than people do.
CONFIG = {
    "gyre": {"rate_limits": {"client": COMMAND_RATES, "http": HTTP_RATE}},
    "client": {"allow_anonymous_connect_without_token": True, "token": {"hmac_secret_key": SECRET}},
    "http_api": {"key": API_KEY},
    "prometheus": {"enabled": True},
    "log": {"level": "info"},
    "channel": {
        "without_namespace": {
            "allow_subscribe_for_client": True,
            "allow_subscribe_for_anonymous": True,
            "allow_publish_for_client": True,
            "allow_publish_for_anonymous": True,
            "allow_history_for_client": True,
            "allow_history_for_anonymous": True,
            "history_size": 300,
            "history_ttl": "5m",
        },
    },
}


# As a server is without limits of its own: whatever is legal is done, as fast as it is asked for.
UNLIMITED = {"gyre": {"rate_limits": {"client": dict.fromkeys(COMMAND_RATES, {"rate": 0, "burst": 0}),
                                      "http": {"rate": 0, "burst": 0}}}}


class Target:
    """The server under attack, and everyone who attacks it."""

    def __init__(self, server, hold: float):
        self.server = server
        self.port = server.port
        self.hold = hold  # seconds that an attack goes on for which nothing ends
        self.peers = []
        self.opened = 0

    def peer(self, **options) -> Peer:
        self.opened += 1
        self.peers.append(Peer(self.port, **options))
        return self.peers[-1]

    def drip(self, peers, data: bytes, pause: float = 0.02) -> str:
        """A byte from each at a time, for as long as the attack holds or there are bytes."""
        deadline = time.monotonic() + self.hold
        for byte in data:
            if time.monotonic() > deadline:
                break
            for peer in peers:
                peer.send_some(bytes([byte]))
            time.sleep(pause)
        return self.endings(peers)

    def endings(self, peers, seconds: float = 0.0) -> str:
        """How they all stand: one that is told of its end is waited for, as in `Peer.ending`."""
        self._read_until(peers, seconds, lambda peer: peer.reader.is_told)
        told = [peer for peer in peers if peer.reader.is_told]
        self._read_until(told, 7, lambda peer: False)
        return " | ".join(sorted({peer.standing() for peer in peers}))

    @staticmethod
    def _read_until(peers, seconds: float, condition) -> None:
        deadline = time.monotonic() + seconds
        poll = select.poll()
        waiting = {peer.fileno(): peer for peer in peers if peer.gone is None}
        for number in waiting:
            poll.register(number, select.POLLIN)
        while waiting:
            ready = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
            for number, _ in ready:
                if not waiting[number].read() or condition(waiting[number]):
                    poll.unregister(number)
                    del waiting[number]
            if not ready and time.monotonic() >= deadline:
                return

    def say(self, data: bytes, seconds: float = 0.3) -> str:
        """Says this to the HTTP server, and returns how that ends."""
        peer = self.peer()
        peer.send(data)
        return peer.ending(seconds)

    def say_frames(self, data: bytes, seconds: float = 0.3, path="/connection/websocket", connected=True) -> str:
        """The same in a WebSocket."""
        peer = self.peer()
        if connected:
            peer.connect()
        else:
            peer.upgrade(path)
        peer.send(data)
        return peer.ending(seconds)

    def flood(self, peer: Peer, data: bytes, reads=True) -> str:
        """The same bytes over and over, as fast as they are taken, until the server cuts or the time is up."""
        deadline = time.monotonic() + self.hold
        offset = 0
        while peer.gone is None and time.monotonic() < deadline:
            events = ready(peer, select.POLLOUT | (select.POLLIN if reads else 0), 0.1)
            if events & select.POLLIN:
                # First of all: what was said last is lost with the connection, if there is no room for it.
                peer.read()
                peer.reader.messages.clear()
            elif events:
                sent = peer.send_some(data[offset:] if offset else data)
                if sent < 0:
                    peer.wait(5)  # what it was told last
                    break
                offset = (offset + sent) % len(data)
        return peer.ending() if reads or peer.gone is not None else "open"

    def repeat(self, once: Callable[[], str]) -> str:
        """The same attack again and again while the time lasts: all the ways in which it ended."""
        deadline = time.monotonic() + self.hold
        endings = set()
        while time.monotonic() < deadline:
            endings.add(once())
            for peer in self.peers:
                peer.close()
            self.peers.clear()
        return " | ".join(sorted(endings))

    def publish(self, channel: str, text: str) -> None:
        self.server.api("publish", {"channel": channel, "data": text}, API_KEY)

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


@dataclasses.dataclass
class Attack:
    name: str
    what: str
    must: str  # a regular expression for all of what `run` returns
    run: Callable[[Target], str]
    attackers: int = 1
    config: dict = dataclasses.field(default_factory=dict)
    descriptors: int | None = None  # RLIMIT_NOFILE of the server
    memory: int = MIB  # what one attacker may cost
    patience: float = 5  # seconds after which the last of them must know, if it is cut
    prepare: Callable[[Target], None] = lambda target: None  # what is there before the attack, and not its doing
    is_measured: bool = True  # no: it may take what it is given, and only has to leave the others alone


TABLE: list[Attack] = []


def attack(name: str, what: str, must: str, **options):
    """Puts a function into the table."""
    def add(run):
        TABLE.append(Attack(name, what, must, run, **options))
        return run
    return add


def http_row(name: str, what: str, must: str, data: bytes, **options) -> None:
    TABLE.append(Attack(name, what, must, lambda target: target.say(data), **options))


def frame_row(name: str, what: str, must: str, data: bytes, **options) -> None:
    TABLE.append(Attack(name, what, must, lambda target: target.say_frames(data), **options))


def command_row(name: str, what: str, must: str, text: bytes | str, **options) -> None:
    """One text message to a session that is connected."""
    payload = text.encode() if isinstance(text, str) else text
    frame_row(name, what, must, frame(TEXT, payload), **options)


def compact(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
