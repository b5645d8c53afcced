"""The replay judged without a server: what was recorded passes, anything else does not.

`Recorded` stands in for the server and answers with the recording, ids and epochs changed as a new run changes them.
"""

import fnmatch
import http.client
import json
import re
import socket
import threading
import time
import unittest

import protobuf
import rawjson
import replay
import settings
from matching import FAR_EXPIRATION, Bindings, Mismatch, compare
from server import Server
from standin import Names, accept_key, read_frame, write_frame
from websocket import CLOSE, TEXT

# Timed by the server's clock or asking for its signals: they need a real one.
CLOCKED = {
    "connection_expired", "frame_ping_pong", "connect_error_then_silence", "ping_pong", "ping_pong_protobuf",
    "sub_expired", "server_side_sub_expired", "stale_close", "shutdown", "connect_server_time",
    "refresh_without_exp_keeps_old_expiration", "insufficient_state",
}  # fmt: skip

CLOCK_TICK_SECONDS = 1  # history expires in whole seconds


class Recorded:
    """A server that says what a recording says. One thread, one connection after the other accepted, as recorded."""

    def __init__(self, recording: replay.Recording, tamper=None):
        self.recording, self.tamper = recording, tamper or (lambda number, data: data)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.names, self.files = Names(), {}
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    request, api = Server.request, Server.api

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which close does not
        self.listener.close()
        self.thread.join(10)

    def serve(self):
        try:
            for line in self.recording.lines:
                if line.dir != "note":
                    getattr(self, f"play_{line.dir}")(line)
                elif line.data.startswith("6 publications"):
                    for _ in range(6):
                        self.answer("200 OK", b'{"result":{}}', self.read_request())
                elif line.data.startswith("publication of"):
                    self.answer("200 OK", b'{"result":{}}', self.read_request())
                if line.conn in self.files and self.recording.is_last(line):
                    self.finish(line)
        except (OSError, ValueError):
            return  # the replay has seen enough and hung up

    def renamed(self, text: str) -> str:
        text = re.sub(r'"ttl":2306\d+', '"ttl":' + str(FAR_EXPIRATION - int(time.time())), text)
        return self.names.renamed(text)

    def read_request(self):
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        stream = connection.makefile("rwb")
        stream.connection = connection
        stream.head = b""
        while not stream.head.endswith(b"\r\n\r\n"):
            byte = stream.readline()
            if not byte:
                raise OSError("hung up")
            stream.head += byte
        length = re.search(rb"(?i)content-length: (\d+)", stream.head)
        stream.body = stream.read(int(length[1])) if length else b""
        return stream

    def answer(self, status, body, stream, headers=()):
        lines = [f"HTTP/1.1 {status}", *headers]
        if not status.startswith("101"):
            lines.append(f"Content-Length: {len(body)}")
        stream.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        stream.flush()

    def play_open(self, line):
        stream = self.read_request()
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", stream.head)[1]
        headers = ["Upgrade: websocket", "Connection: Upgrade"]
        headers.append("Sec-WebSocket-Accept: " + accept_key(key))
        if selected := json.loads(line.data)["subprotocol_selected"]:
            headers.append(f"Sec-WebSocket-Protocol: {selected}")
        self.answer("101 Switching Protocols", b"", stream, headers)
        self.files[line.conn] = stream

    def play_c2s(self, line):
        if line.proto == "http":
            self.files[line.conn] = self.read_request()
        else:
            read_frame(self.files[line.conn])

    def play_s2c(self, line):
        stream = self.files[line.conn]
        if line.proto == "ws_close":
            close = json.loads(line.data)
            payload = close["code"].to_bytes(2, "big") + close["reason"].encode()
            write_frame(stream, CLOSE, self.tamper(line.number, payload))
        elif line.proto == "http_head":
            head = json.loads(line.expect or line.data)
            bodies = [
                other.data
                for other in self.recording.lines
                if other.conn == line.conn and other.proto in ("http_body", "ws_raw")
            ]
            headers = [f"{k}: {v}" for k, v in head["headers"].items() if k != "Content-Length"]
            status = f"{head['status']} {http.client.responses[head['status']]}"
            self.answer(status, "".join(bodies).encode(), stream, headers)
            stream.connection.close()
        elif line.proto == "json":
            text = self.renamed(line.expect or line.data)
            kept = [
                message
                for message in text.split("\n")
                if not any(f'"{kind}"' in message for kind in self.dropped())
            ]
            if kept:
                write_frame(stream, TEXT, self.tamper(line.number, "\n".join(kept).encode()))

    def dropped(self):
        return replay.LEDGER["drop_pushes"].get(self.recording.name, [])

    def play_api(self, line):
        stream = self.read_request()
        replies = [
            other
            for other in self.recording.lines
            if other.dir == "api_reply" and other.number > line.number
        ]
        if not line.data.endswith(f'"body": {self.names.recorded(stream.body.decode())}}}'):
            raise ValueError(f"another body than recorded: {stream.body!r}")
        body = self.tamper(replies[0].number, self.renamed(replies[0].data).encode())
        self.answer("200 OK", body, stream)

    def play_staged(self, line):
        stream = self.read_request()
        if stream.body.decode() != line.data:
            raise ValueError(f"another publication than staged: {stream.body!r}")
        self.answer("200 OK", b'{"result":{}}', stream)

    def play_api_reply(self, line):
        pass  # sent with the request

    def play_proxy_request(self, line):
        pass  # the backend's business

    def finish(self, line):
        """Answers fences until the replay hangs up, beside the connections that go on."""
        stream = self.files.pop(line.conn)
        threading.Thread(target=self.linger, args=(stream,), daemon=True).start()

    def linger(self, stream):
        try:
            while True:
                opcode, data = read_frame(stream)
                if opcode == CLOSE:
                    write_frame(stream, CLOSE, data)
                    return
                error = {"id": replay.FENCE, "error": {"code": 108, "message": "no"}}
                write_frame(stream, TEXT, json.dumps(error).encode())
        except (OSError, ValueError):
            return


def replayable() -> list[str]:
    """What the stand-in can play: JSON, and no clock of its own."""
    return [
        name
        for name in replay.names()
        if replay.later(name) is None
        and name not in CLOCKED
        and not any(line.proto in ("protobuf", "binary") for line in replay.load(name).lines)
    ]


class Playback(unittest.TestCase):
    """Every recording passes against itself."""


class Tampering(unittest.TestCase):
    """One answer changed, and the replay says so."""

    def failure(self, name, tamper):
        recording = replay.load(name)
        server = Recorded(recording, tamper)
        try:
            replay.Replay(recording, server).run()
        except AssertionError as failure:
            return str(failure)
        finally:
            server.close()
        return ""

    def changed(self, number, old, new):
        return lambda at, data: data.replace(old, new) if at == number else data

    def test_nothing_changed_passes(self):
        self.assertEqual("", self.failure("subscribe_basic", None))

    def test_another_error_code_fails(self):
        failure = self.failure("connect_token_expired", self.changed(4, b"109", b"110"))
        self.assertIn("connect_token_expired.jsonl:4", failure)

    def test_a_reformatted_payload_fails(self):
        failure = self.failure("subscribe_basic", self.changed(9, b'{"input": "', b'{"input":"'))
        self.assertIn("subscribe_basic.jsonl:9", failure)

    def test_an_unexpected_field_fails(self):
        failure = self.failure("subscribe_basic", self.changed(6, b"{}", b'{"recovered":true}'))
        self.assertIn("unexpected ['recovered']", failure)

    def test_another_epoch_than_before_fails(self):
        failure = self.failure("recovery_success", self.changed(18, b"Epoch001", b"Epoch009"))
        self.assertIn("recovery_success.jsonl:18", failure)

    def test_a_message_too_many_fails(self):
        extra = lambda at, data: data + b'\n{"push":{"channel":"x","pub":{}}}' if at == 20 else data  # noqa: E731
        self.assertIn("after the end", self.failure("subscribe_basic", extra))

    def test_another_close_code_fails(self):
        failure = self.failure("connect_no_credentials", self.changed(4, b"\x0d\xad", b"\x0d\xac"))
        self.assertIn("3500", failure)


class Ledger(unittest.TestCase):
    def test_every_entry_applies(self):
        for glob in replay.LEDGER["later"]:
            self.assertTrue(any(fnmatch.fnmatch(name, glob) for name in replay.names()), glob)
        named = [e["recording"] for s in ("skip", "staged", "wait") for e in replay.LEDGER[s]]
        named += [*replay.LEDGER["drop_pushes"], *replay.LEDGER["stay_open"]]
        for name in named:
            self.assertIn(name, replay.names())
            self.assertIsNone(replay.later(name), name)
        for skip in replay.LEDGER["skip"]:
            kept = [line for line in replay.load(skip["recording"]).lines if line.number in skip["lines"]]
            self.assertEqual(len(skip["lines"]) if "expect" in skip else 0, len(kept), skip)

    def test_what_is_staged_is_not_recorded(self):
        for entry in replay.LEDGER["staged"]:
            lines = replay.load(entry["recording"]).lines
            self.assertTrue(any(line.dir != "staged" and line.number == entry["before"] for line in lines), entry)
            recorded = [json.loads(line.data)["body"] for line in lines if line.dir == "api"]
            for request in map(json.loads, entry["requests"]):
                self.assertNotIn(request, recorded, "it is recorded by now")

    def test_what_is_waited_for_has_time_enough(self):
        for entry in replay.LEDGER["wait"]:
            recording = replay.load(entry["recording"])
            self.assertIn(entry["before"], [line.number for line in recording.lines if line.dir != "wait"], entry)
            life = recording.config["channel"]["without_namespace"]["history_meta_ttl"]
            self.assertGreater(entry["seconds"], float(life.removesuffix("s")) + CLOCK_TICK_SECONDS, entry)

    def test_each_key_stripped_is_recorded_and_not_served_yet(self):
        replayed = [name for name in replay.names() if replay.later(name) is None]
        recorded = {path for name in replayed for path in settings.paths(replay.recorded_config(name))}
        for entry in replay.LEDGER["strip"]:
            self.assertIn(entry.replace(".*", "[]"), recorded)
            self.assertTrue(settings.is_unavailable(entry), f"{entry} is served, or ignored, by now")

    def test_nothing_is_left_that_the_server_refuses(self):
        for name in replay.names():
            if replay.later(name) is None:
                left = set(settings.paths(replay.load(name).config))
                self.assertEqual(set(), left & settings.unavailable(), name)

    def test_stripping_takes_keys_out_of_lists_too(self):
        config = {"sse": {"enabled": True}, "channel": {"namespaces": [{"name": "a", "subscription_type": "map"}]}}
        self.assertEqual({"channel": {"namespaces": [{"name": "a"}]}}, replay.stripped(config))


class Wire(unittest.TestCase):
    def test_all_recorded_messages_are_readable(self):
        for path in replay.RECORDINGS.glob("*.jsonl"):
            for row in map(json.loads, path.open()):
                if row.get("dir") != "s2c":
                    continue
                if row["proto"] == "protobuf":
                    for message in protobuf.frame_messages(bytes.fromhex(row["hex"])):
                        protobuf.decode(message)
                elif row["proto"] == "json" and row["data"].strip():
                    for text in row["data"].strip("\n").split("\n"):
                        rawjson.parse(text)

    def test_an_unknown_protobuf_field_is_refused(self):
        with self.assertRaises(ValueError):
            protobuf.decode(bytes([0x18, 1]))

    def test_numbers_keep_their_spelling(self):
        with self.assertRaises(Mismatch):
            compare(rawjson.parse('{"data":1E5}'), rawjson.parse('{"data":100000}'), Bindings())

    def test_two_recorded_epochs_are_two_epochs(self):
        bindings = Bindings()
        compare({"epoch": "aaaaaaaa"}, {"epoch": "x"}, bindings)
        with self.assertRaises(Mismatch):
            compare({"epoch": "bbbbbbbb"}, {"epoch": "x"}, bindings)


def _playback(name):
    def test(self):
        recording = replay.load(name)
        server = Recorded(recording)
        try:
            replay.Replay(recording, server).run()
        finally:
            server.close()

    return test


for _name in replayable():
    setattr(Playback, f"test_{_name}", _playback(_name))
