"""Attacks by number: of connections, of commands, of what a server has to send."""

import time

from attack import UNLIMITED, attack
from peer import TEXT, frame

LARGE = "x" * 16_384
# Too many errors. The reset of a connection with much unread behind its end can overtake what it was told.
FAILING = "3509, cut|cut"
LEGAL = "open"  # work as anybody may ask for, as fast as it is answered


def commands(*lines: str) -> bytes:
    """As many of these commands as fit well into messages, some 256 KB in all."""
    text = "\n".join(lines).encode()
    message = b"\n".join([text] * max(1, 30_000 // (len(text) + 1)))
    return frame(TEXT, message) * 8


@attack("connect_flood", "connections that are closed at once, one after the other", "cut")
def connect_flood(target):
    def once():
        target.peer().close()
        return "cut"
    return target.repeat(once)


@attack("reset_storm", "handshakes that are reset before the answer", "cut")
def reset_storm(target):
    def once():
        peer = target.peer()
        peer.send(b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        peer.reset()
        return "cut"
    return target.repeat(once)


@attack("session_storm", "sessions with a subscription that are reset, one after the other", "cut")
def session_storm(target):
    def once():
        peer = target.peer().connect()
        peer.send(frame(TEXT, b'{"id":2,"subscribe":{"channel":"bystander"}}'))
        peer.reset()
        return "cut"
    return target.repeat(once)


@attack("bad_token_loop", "a wrong token, again and again", "3500")
def bad_token_loop(target):
    def once():
        peer = target.peer().upgrade()
        peer.send(frame(TEXT, b'{"id":1,"connect":{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.AAAA"}}'))
        peer.wait(10, lambda: peer.reader.is_told)
        return " ".join(peer.reader.said)
    return target.repeat(once)


@attack("connect_flood_limited", "handshakes, again and again, at a server that takes ten a second", "101 \\| 503|503",
        config={"client": {"connection_rate_limit": 10}})
def connect_flood_limited(target):
    def once():
        peer = target.peer().upgrade()
        return " ".join(peer.reader.said) or "101"
    return target.repeat(once)


@attack("idle_sessions", "1,000 sessions that stay", "open", attackers=1000)
def idle_sessions(target):
    peers = [target.peer().connect() for _ in range(1000)]
    time.sleep(target.hold)
    return target.endings(peers)


@attack("no_descriptors", "300 connections at a server that may open 128", "cut \\| open", attackers=300,
        descriptors=128)
def no_descriptors(target):
    peers = [target.peer() for _ in range(300)]
    time.sleep(target.hold)
    return target.endings(peers)


@attack("never_reading", "200 subscribers that never read, and 16 KB publications", "cut", attackers=200)
def never_reading(target):
    return starve(target, [target.peer().connect() for _ in range(200)])


@attack("zero_window", "200 subscribers with the smallest window, and 16 KB publications", "cut", attackers=200)
def zero_window(target):
    return starve(target, [target.peer(receive_buffer=1).connect() for _ in range(200)])


def starve(target, peers) -> str:
    """Until the server has cut them; who never reads learns of it only by trying."""
    for peer in peers:
        peer.send(frame(TEXT, b'{"id":2,"subscribe":{"channel":"noise"}}'))
        peer.wait(5, lambda: len(peer.reader.messages) > 1)
    deadline = time.monotonic() + 20
    while clients(target) > 1 and time.monotonic() < deadline:
        for _ in range(20):
            target.publish("noise", LARGE)
    target.endings(peers, 10)
    return " | ".join(sorted({"cut" if peer.gone is not None else "open" for peer in peers}))


def clients(target) -> int:
    """Clients of the node; the bystander is one."""
    return target.server.api("info", {})["result"]["nodes"][0]["num_clients"]


@attack("subscribe_flood", "subscriptions to ever new channels", FAILING)
def subscribe_flood(target):
    lines = [f'{{"id":{n},"subscribe":{{"channel":"flood{n}"}}}}' for n in range(2, 502)]
    return target.flood(target.peer().connect(), commands(*lines))


RESUBSCRIBE = commands('{"id":2,"subscribe":{"channel":"a"}}', '{"id":3,"unsubscribe":{"channel":"a"}}')
PUBLISH = commands('{"id":2,"publish":{"channel":"a","data":{"n":1}}}')
HISTORY = commands('{"id":2,"history":{"channel":"old","limit":300}}')


def fill(target, size):
    for _ in range(300):
        target.publish("old", "x" * size)


@attack("resubscribe_flood", "the same subscription, and its end, without end", FAILING)
def resubscribe_flood(target):
    return target.flood(target.peer().connect(), RESUBSCRIBE)


@attack("resubscribe_flood_unlimited", "the same at a server without rate limits", LEGAL, config=UNLIMITED,
        is_measured=False)
def resubscribe_flood_unlimited(target):
    return resubscribe_flood(target)


@attack("rpc_flood", "calls that nobody answers", FAILING)
def rpc_flood(target):
    return target.flood(target.peer().connect(), commands('{"id":2,"rpc":{"data":{}}}'))


@attack("rpc_flood_unread", "calls that nobody answers, and errors not read", "open|cut")
def rpc_flood_unread(target):
    return target.flood(target.peer(receive_buffer=4096).connect(), commands('{"id":2,"rpc":{"data":{}}}'), reads=False)


@attack("refused_flood", "commands for a namespace that does not exist", FAILING)
def refused_flood(target):
    return target.flood(target.peer().connect(), commands('{"id":2,"subscribe":{"channel":"no:a"}}',
                                                          '{"id":3,"publish":{"channel":"no:a","data":{}}}',
                                                          '{"id":4,"presence":{"channel":"a"}}'))


@attack("refresh_flood", "refreshes with wrong tokens", "3500, cut")
def refresh_flood(target):
    line = '{"id":2,"refresh":{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.AAAA"}}'
    return target.flood(target.peer().connect(), commands(line))


@attack("publish_flood", "publications into a channel with history", FAILING)
def publish_flood(target):
    return target.flood(target.peer().connect(), PUBLISH)


@attack("publish_flood_unlimited", "the same at a server without rate limits", LEGAL, config=UNLIMITED, is_measured=False)
def publish_flood_unlimited(target):
    return publish_flood(target)


@attack("history_flood", "the whole history of a channel, again and again", FAILING, prepare=lambda target: fill(target, 100))
def history_flood(target):
    return target.flood(target.peer().connect(), HISTORY)


@attack("history_flood_unread", "the whole history of a channel, again and again, and never read", "open|cut",
        prepare=lambda target: fill(target, 1000))
def history_flood_unread(target):
    return target.flood(target.peer(receive_buffer=4096).connect(), HISTORY, reads=False)


@attack("history_flood_unlimited", "the same, read, at a server without rate limits", LEGAL, config=UNLIMITED,
        prepare=lambda target: fill(target, 100), is_measured=False)
def history_flood_unlimited(target):
    return history_flood(target)
