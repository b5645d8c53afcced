"""Replays one recording against a server: says what the client said, and demands what the server answered."""

import dataclasses
import fnmatch
import json
import math
import pathlib
import re
import time
import tomllib

import protobuf
import rawjson
from matching import Bindings, Mismatch, compare, is_stale, refresh_tokens
from websocket import BINARY, TEXT, Closed, WebSocket

HERE = pathlib.Path(__file__).resolve().parent
RECORDINGS = HERE.parents[1] / "golden" / "client"
LEDGER = tomllib.loads((HERE / "ledger.toml").read_text())
API_KEY = "api-key"
ANSWER_SECONDS = 5
EARLY_SECONDS = 1  # by how much a timed close may come before the recorded moment
FENCE = 4000000  # id of the command that proves that nothing else was on its way
# HTTP headers that an answer may have besides the recorded ones; recordings leave out Date.
FREE_HEADERS = frozenset({"date", "connection", "server"})


@dataclasses.dataclass
class Line:
    number: int
    conn: str
    dir: str
    proto: str
    data: str
    hex: str
    expect: str | None = None


@dataclasses.dataclass
class Recording:
    name: str
    config: dict
    lines: list[Line]

    @property
    def secrets(self) -> list[str]:
        client = self.config.get("client", {})
        blocks = [client.get("token", {}), client.get("subscription_token", {})]
        names = ("hmac_secret_key", "hmac_previous_secret_key")
        return [block[name] for block in blocks for name in names if name in block] + ["secret"]

    @property
    def seconds(self) -> float:
        """How long it waits at least, about: for who runs several and starts with the longest."""
        waits = [float(line.data) for line in self.lines if line.dir == "wait"]
        notes = [line.data for line in self.lines if line.dir == "note"]
        return sum(waits) + sum(float(s) for note in notes for s in re.findall(r"([\d.]+)s\b", note))

    def is_last(self, line: Line) -> bool:
        return line is [other for other in self.lines if other.conn == line.conn][-1]


def names() -> list[str]:
    return sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))


def later(name: str) -> str | None:
    """Why a recording waits, or None."""
    reasons = [why for glob, why in LEDGER["later"].items() if fnmatch.fnmatch(name, glob)]
    return reasons[0] if reasons else None


def stripped(config: dict, paths=None) -> dict:
    """A configuration without the keys of features that do not exist yet."""
    paths = [path.split(".") for path in LEDGER["strip"]] if paths is None else paths
    result = {}
    for key, value in config.items():
        if [key] in paths:
            continue
        inner = [path[1:] for path in paths if path[0] == key and len(path) > 1]
        if inner and isinstance(value, dict):
            value = stripped(value, inner)
        elif inner and isinstance(value, list):
            value = [stripped(element, [path[1:] for path in inner]) for element in value]
        result[key] = value
    return result


def recorded_config(name: str) -> dict:
    return json.loads((RECORDINGS / f"{name}.jsonl").open().readline())["config"]


def entries(section: str, name: str) -> list[dict]:
    return [entry for entry in LEDGER[section] if entry["recording"] == name]


def unrecorded(name: str, number: int) -> list[Line]:
    """What the recorder did before a line and did not write down."""
    staged = [
        request
        for entry in entries("staged", name)
        if entry["before"] == number
        for request in entry["requests"]
    ]
    waits = [str(e["seconds"]) for e in entries("wait", name) if e["before"] == number]
    return [
        *(Line(number, "", "staged", "http", request, "") for request in staged),
        *(Line(number, "", "wait", "", seconds, "") for seconds in waits),
    ]


def load(name: str) -> Recording:
    meta, *rows = [json.loads(row) for row in (RECORDINGS / f"{name}.jsonl").open()]
    lines, latest = [], ""
    for number, row in enumerate(rows, 2):
        lines += unrecorded(name, number)
        latest = row.get("conn", latest)
        skip = [entry for entry in entries("skip", name) if number in entry["lines"]]
        if skip and "expect" not in skip[0]:
            continue
        expect = skip[0]["expect"] if skip else None
        # A note belongs to the connection of the line before it, which therefore stays open that long.
        conn = latest if row["dir"] == "note" else row.get("conn", "")
        fields = [row.get(field, "") for field in ("dir", "proto", "data", "hex")]
        lines.append(Line(number, conn, *fields, expect))
    return Recording(name, stripped(meta["config"]), lines)


class Connection:
    """A WebSocket connection of the recording, its messages one by one."""

    def __init__(self, socket: WebSocket, is_protobuf: bool):
        self.socket, self.is_protobuf = socket, is_protobuf
        self.messages = []
        self.is_connected = False
        self.last_event = time.monotonic()

    def next(self, timeout: float = ANSWER_SECONDS):
        """The next message, a Closed, or None if nothing came."""
        if not self.messages:
            received = self.socket.receive(timeout)
            if received is None or isinstance(received, Closed):
                return received
            self.messages = self.decode(received)
        return self.messages.pop(0)

    def decode(self, frame: bytes) -> list:
        if self.is_protobuf:
            return [protobuf.decode(message) for message in protobuf.frame_messages(frame)]
        return [rawjson.parse(text) for text in frame.decode().split("\n")]


class Replay:
    def __init__(self, recording: Recording, server, backend=None):
        self.recording, self.server, self.backend = recording, server, backend
        self.bindings = Bindings()
        self.connections: dict[str, Connection] = {}
        self.answers: dict[str, tuple] = {}
        self.api_answers = []
        self.drop = LEDGER["drop_pushes"].get(recording.name, [])

    def run(self) -> None:
        try:
            for line in self.recording.lines:
                try:
                    getattr(self, f"on_{line.dir}")(line)
                    self.after(line)
                except (Mismatch, ValueError, OSError) as error:
                    place = f"{self.recording.name}.jsonl:{line.number}"
                    raise AssertionError(f"{place}: {error}") from error
        finally:
            for connection in self.connections.values():
                connection.socket.abort()

    # What the recorder did.

    def on_open(self, line: Line) -> None:
        opened = json.loads(line.data)
        socket = WebSocket(
            self.server.port,
            opened["path"],
            opened["subprotocols_requested"],
            self.upgrade_headers(line),
        )
        if socket.subprotocol != opened["subprotocol_selected"]:
            raise Mismatch(f"subprotocol {socket.subprotocol!r}")
        is_protobuf = "protobuf" in socket.subprotocol or "protocol=protobuf" in opened["path"]
        self.connections[line.conn] = Connection(socket, is_protobuf)

    def upgrade_headers(self, line: Line) -> dict:
        prefix = "upgrade request carried "
        notes = [other for other in self.recording.lines if other.number == line.number + 1]
        if not notes or not notes[0].data.startswith(prefix):
            return {}
        name, value = notes[0].data.removeprefix(prefix).split(": ")
        return {name: value}

    def on_c2s(self, line: Line) -> None:
        if line.proto == "http":
            request = json.loads(line.data)
            body = request["body"] or None
            answer = self.server.request(
                request["method"], request["path"], body, request["headers"]
            )
            self.answers[line.conn] = answer
            return
        connection = self.connections[line.conn]
        if line.proto == "json" and not line.hex:
            text = self.bindings.rewrite(line.data)
            text = refresh_tokens(text, self.bindings, self.recording.secrets)
            connection.socket.send(text.encode(), TEXT)
        else:
            data = self.bindings.rewrite_bytes(bytes.fromhex(line.hex))
            connection.socket.send(data or line.data.encode(), BINARY)
        connection.last_event = time.monotonic()

    def on_api(self, line: Line) -> None:
        call = rawjson.Parser(line.data, frozenset({"body"})).document()
        body = self.bindings.rewrite(call["body"])
        expire_at = json.loads(body).get("expire_at")
        if is_stale(expire_at):
            body = body.replace(str(expire_at), str(math.ceil(time.time()) + 2))  # 2 s or more, as recorded
        self.api_answers.append(self.call(call["method"], call["path"], body))

    def call(self, method: str, path: str, body: str) -> str:
        headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
        status, _, text = self.server.request(method, path, body, headers)
        if status != 200:
            raise Mismatch(f"HTTP {status}: {text}")
        return text

    def on_staged(self, line: Line) -> None:
        answer = self.call("POST", "/api/publish", line.data)
        if "result" not in json.loads(answer):
            raise Mismatch(f"{answer} to {line.data}")

    def on_wait(self, line: Line) -> None:
        time.sleep(float(line.data))

    def on_note(self, line: Line) -> None:
        if line.data == '6 publications {"i":1..6} published to rl':
            for i in range(1, 7):
                self.server.api("publish", {"channel": "rl", "data": {"i": i}})
        elif line.data == "publication of 3000 bytes published to channel slow":
            self.server.api("publish", {"channel": "slow", "data": "x" * 2998})
        elif line.data.startswith("no application frames for 2.5s"):
            connection = self.connections[line.conn]
            if (message := connection.next(2.5)) is not None:
                raise Mismatch(f"{message} in a connection that should have stayed quiet")
            if connection.socket.pings == 0:
                raise Mismatch("no WebSocket ping")
        elif line.data.startswith(("elapsed before close", "unsubscribe push", "upgrade request")):
            pass  # told by the line that it belongs to
        else:
            raise Mismatch(f"a note that the replay does not know: {line.data}")

    def on_proxy_request(self, line: Line) -> None:
        """What the first call of the server's proxies said. There is no backend where the replay itself is judged."""
        if self.backend is None:
            return
        text, expected = self.backend.calls[0].text, self.bindings.rewrite(line.data)
        if text != expected:
            raise Mismatch(f"the backend was asked {text} instead of {expected}")

    # What the server answered.

    def on_api_reply(self, line: Line) -> None:
        answer = rawjson.parse_plain(self.api_answers.pop(0))
        compare(rawjson.parse_plain(line.data), answer, self.bindings, "api")

    def on_s2c(self, line: Line) -> None:
        if line.proto == "ws_close":
            self.expect_close(line)
        elif line.proto == "http_head":
            self.expect_head(line)
        elif line.proto in ("http_body", "ws_raw"):
            if self.answers[line.conn][2] != line.data:
                raise Mismatch(f"body {self.answers[line.conn][2]!r} instead of {line.data!r}")
        elif line.proto in ("json", "protobuf"):
            self.expect_messages(line)
        else:
            raise Mismatch(f"a line that the replay does not know: {line.proto}")

    def expect_messages(self, line: Line) -> None:
        connection = self.connections[line.conn]
        if connection.is_protobuf:
            recorded = connection.decode(bytes.fromhex(line.hex))
        else:
            recorded = connection.decode((line.expect or line.data).encode())
        for expected in recorded:
            if any(kind in expected.get("push", {}) for kind in self.drop):
                continue
            actual = connection.next()
            if actual is None or isinstance(actual, Closed):
                raise Mismatch(f"{actual or 'nothing'} instead of {expected}")
            compare(expected, actual, self.bindings)
            connection.is_connected |= "connect" in expected
        connection.last_event = time.monotonic()

    def expect_close(self, line: Line) -> None:
        connection = self.connections[line.conn]
        if self.recording.name == "shutdown":
            self.server.terminate()
        seconds = self.recorded_delay(line)
        actual = connection.next(seconds + ANSWER_SECONDS)
        expected = Closed(**json.loads(line.data))
        if actual != expected:
            raise Mismatch(f"{actual or 'nothing'} instead of {expected}")
        waited = time.monotonic() - connection.last_event
        if waited < seconds - EARLY_SECONDS:
            raise Mismatch(f"closed after {waited:.1f} s instead of {seconds} s")

    def recorded_delay(self, line: Line) -> float:
        prefix = "elapsed before close: "
        for other in self.recording.lines:
            if other.number == line.number + 1 and other.data.startswith(prefix):
                return float(other.data.removeprefix(prefix).removesuffix("s"))
        return 0.0

    def expect_head(self, line: Line) -> None:
        expected = json.loads(line.expect or line.data)
        status, headers, _ = self.answers[line.conn]
        wanted = {name.lower(): value for name, value in expected["headers"].items()}
        free = FREE_HEADERS - wanted.keys()
        actual = {name: value for name, value in headers.items() if name not in free}
        if (status, actual) != (expected["status"], wanted):
            raise Mismatch(f"HTTP {status} {actual} instead of {expected['status']} {wanted}")

    # What must not have been answered.

    def after(self, line: Line) -> None:
        connection = self.connections.get(line.conn)
        if connection is None or not self.recording.is_last(line):
            return
        self.fence(connection)
        if line.conn not in LEDGER["stay_open"].get(self.recording.name, []):
            connection.socket.close()

    def fence(self, connection: Connection) -> None:
        """A command whose error is known: it must be the next thing that the connection says."""
        has_fast_ping = "ping_interval" in self.recording.config.get("client", {})
        if not connection.is_connected or connection.socket.closed or has_fast_ping:
            return
        if connection.is_protobuf:
            command = bytes([0x08, 0x80, 0x92, 0xF4, 0x01, 0x6A, 0x07, 0x12, 0x05]) + b"fence"
            connection.socket.send(bytes([len(command)]) + command, BINARY)
        else:
            command = json.dumps({"id": FENCE, "rpc": {"method": "fence"}})
            connection.socket.send(command.encode(), TEXT)
        answer = connection.next()
        if not isinstance(answer, dict) or int(answer.get("id", 0)) != FENCE:
            raise Mismatch(f"{answer or 'nothing'} after the end of the recorded exchange")
