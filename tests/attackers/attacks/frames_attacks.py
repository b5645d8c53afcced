"""Attacks with the frames of a WebSocket (RFC 6455)."""

import struct
import time

from attack import attack, frame_row
from peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack(">H", code) + reason)


frame_row("unmasked", "a frame without a mask", "1002, cut", frame(TEXT, b"{}", masked=False))
frame_row("reserved_bit_1", "RSV1 without an extension", "1002, cut", frame(TEXT, b"{}", reserved=4))
frame_row("reserved_bit_2", "RSV2", "1002, cut", frame(TEXT, b"{}", reserved=2))
frame_row("reserved_bit_3", "RSV3", "1002, cut", frame(PING, b"", reserved=1))
frame_row("long_ping", "a ping of 126 bytes", "1002, cut", frame(PING, b"x" * 126))
frame_row("long_close", "a close frame of 64 KB", "1002, cut", frame(CLOSE, b"x" * 65536))
frame_row("fragmented_ping", "a ping in fragments", "1002, cut", frame(PING, b"x", final=False))
frame_row("stray_continuation", "a continuation of nothing", "1002, cut", frame(CONTINUATION, b"x"))
frame_row("interrupted_message", "a new message between fragments", "1002, cut",
          frame(TEXT, b"{", final=False) + frame(TEXT, b"}"))
frame_row("short_close", "a close frame of one byte", "1002, cut", frame(CLOSE, b"x"))
frame_row("close_utf8", "a close reason that is not UTF-8", "1007, cut", close_frame(1000, b"\xff\xfe"))
frame_row("text_utf8", "a text message that is not UTF-8", "1007, cut", frame(TEXT, b'{"id":2,"\xff":{}}'))
frame_row("split_utf8", "an UTF-8 sequence that is wrong only over two fragments", "1007, cut",
          frame(TEXT, b'{"\xe2\x82', final=False) + frame(CONTINUATION, b'\x28":1}'))
frame_row("data_after_close", "publications behind a close frame", "1000, cut",
          close_frame(1000) + frame(TEXT, b'{"id":2,"publish":{"channel":"bystander","data":{}}}') * 1000)
frame_row("large_message", "a message over the bound", "1009, cut", frame(TEXT, b" " * 65537))
frame_row("large_fragments", "a message over the bound by its fragments", "1009, cut",
          frame(TEXT, b" " * 60000, final=False) + frame(CONTINUATION, b" " * 60000, final=False))
frame_row("binary_garbage", "a binary message of zeros where JSON is spoken", "3501, cut", frame(BINARY, bytes(1000)))
frame_row("wide_lengths", "lengths in more bytes than they need", "open",
          frame(PING, b"", claim=0, wide=0) + frame(TEXT, b'{"id":2,"rpc":{}}', wide=8))
frame_row("second_upgrade", "another handshake inside of the WebSocket", "1002, cut",
          b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")


@attack("close_codes", "close frames with codes that nobody may send", "1002, cut", attackers=13)
def close_codes(target):
    codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
    return of_each(target, [close_frame(code) for code in codes])


@attack("opcodes", "the opcodes that mean nothing", "1002, cut", attackers=10)
def opcodes(target):
    return of_each(target, [frame(opcode, b"") for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]])


@attack("frame_lengths", "frame lengths from 2^0 to 2^63 in text, continuation, ping and close frames, and no payload",
        "1002, cut \\| 1009, cut \\| open", attackers=4 * 64)
def frame_lengths(target):
    claims = [1 << power for power in range(64)]
    first = frame(TEXT, b" ", final=False)
    return of_each(target, [frame(TEXT, claim=claim) for claim in claims] +
                   [first + frame(CONTINUATION, claim=claim) for claim in claims] +
                   [frame(opcode, claim=claim) for opcode in (PING, CLOSE) for claim in claims])


def of_each(target, data) -> str:
    peers = [target.peer().connect() for _ in data]
    for peer, frames in zip(peers, data, strict=True):
        peer.send(frames)
    time.sleep(min(target.hold, 0.5))  # what is going to be refused is by then
    return target.endings(peers)


@attack("half_messages", "500 connections that hold 60 KB of a message each, and never end it", "open", attackers=500)
def half_messages(target):
    peers = [target.peer().connect() for _ in range(500)]
    for peer in peers:
        peer.send(frame(TEXT, b" " * 60_000, claim=65_000))
    time.sleep(target.hold)
    return target.endings(peers)


@attack("slow_frames", "50 connections that send commands one byte at a time", "open", attackers=50)
def slow_frames(target):
    peers = [target.peer().connect() for _ in range(50)]
    return target.drip(peers, frame(TEXT, b'{"id":2,"rpc":{}}') * 1000)


@attack("silent_websockets", "500 WebSockets that never say connect", "3502, cut", attackers=500,
        config={"client": {"stale_close_delay": "1s"}})
def silent_websockets(target):
    peers = [target.peer().upgrade() for _ in range(500)]
    return target.endings(peers, 10)


@attack("deaf_to_close", "floods on after it was told that the connection is closed", ".*cut")
def deaf_to_close(target):
    peer = target.peer().connect()
    peer.send(frame(TEXT, b"{}"))  # a pong that nobody asked for: 3501
    return target.flood(peer, frame(TEXT, b"x" * 1000) * 256)


@attack("deaf_to_failure", "floods on after it has broken the protocol", ".*cut")
def deaf_to_failure(target):
    peer = target.peer().connect()
    return target.flood(peer, frame(TEXT, b"x" * 1000, masked=False) * 256)


@attack("ping_flood", "pings as fast as they are taken", "1008, cut|cut")
def ping_flood(target):
    return target.flood(target.peer().connect(), frame(PING, b"") * 20_000)


@attack("large_ping_flood", "pings of 125 bytes, and pongs not read", "1008, cut|cut")
def large_ping_flood(target):
    return target.flood(target.peer(receive_buffer=4096).connect(), frame(PING, b"x" * 125) * 2_000, reads=False)


@attack("pong_flood", "pongs that nobody asked for", "1008, cut|cut")
def pong_flood(target):
    return target.flood(target.peer().connect(), frame(PONG, b"") * 20_000)


@attack("empty_fragments", "a message of empty fragments without end", "1008, cut|cut")
def empty_fragments(target):
    peer = target.peer().connect()
    peer.send(frame(TEXT, b"", final=False))
    return target.flood(peer, frame(CONTINUATION, b"", final=False) * 20_000)


@attack("small_fragments", "messages in fragments of one byte without end", "1008, cut|1009, cut|cut")
def small_fragments(target):
    return target.flood(target.peer().connect(), frame(TEXT, b" ", final=False) +
                        frame(CONTINUATION, b" ", final=False) * 60_000)


@attack("empty_messages", "empty messages", "3501, cut")
def empty_messages(target):
    return target.flood(target.peer().connect(), frame(TEXT, b"") * 1000)
