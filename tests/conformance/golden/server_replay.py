"""Replays recordings of the server API: one server for a file, its requests in order, each answer byte for byte.

An answer is text with *variables* in it: ids and epochs are bound as in the client recordings, the counters of `info`
stay within what is true, and everything else has to be the recorded byte, the order of JSON members included.
"""

import dataclasses
import fnmatch
import json
import math
import pathlib
import re
import time
import tomllib
from email.utils import parsedate_to_datetime

from matching import EPOCH, UUID, VERSION, Bindings, Mismatch, is_stale, sign
from replay import stripped
from websocket import TEXT, Closed, WebSocket

HERE = pathlib.Path(__file__).resolve().parent
RECORDINGS = HERE.parents[1] / "golden" / "server"
LEDGER = tomllib.loads((HERE / "server_ledger.toml").read_text())
API_KEY = "api-key-1"
ANSWER_SECONDS = 5
FRESH_SECONDS = 3600
DATE_SLACK_SECONDS = 60


@dataclasses.dataclass
class Case:
    name: str
    request: dict
    response: dict
    note: str
    later: str | None  # why the recorded answer is not demanded yet
    expect: str | None  # the body to demand instead of the recorded one

    @property
    def body(self) -> str:
        return self.response["body"] if self.expect is None else self.expect

    @property
    def is_cut(self) -> bool:
        return self.note == "body cut"


def files() -> list[str]:
    return sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))


def load(file: str) -> list[Case]:
    reasons = LEDGER["later"].get(file, {})
    answers = {e["case"]: e["body"] for e in LEDGER["expect"] if e["file"] == file}
    cases = []
    for row in map(json.loads, (RECORDINGS / f"{file}.jsonl").open()):
        if row["config"] != "main":
            raise ValueError(f"{file}: a configuration that the replay does not know: {row['config']}")
        name = row["case"]
        later = [why for glob, why in reasons.items() if fnmatch.fnmatch(name, glob)]
        about = row["request"], row["response"], row.get("note", "")
        cases.append(Case(name, *about, later[0] if later else None, answers.get(name)))
    return cases


def recorded_config() -> dict:
    return json.loads((RECORDINGS / "config-main.json").read_text())


def config() -> dict:
    """The recorded configuration as far as this release can have it."""
    result = stripped(recorded_config(), [path.split(".") for path in LEDGER["strip"]])
    namespaces = result["channel"]["namespaces"]
    result["channel"]["namespaces"] = [
        namespace for namespace in namespaces if namespace["name"] not in LEDGER["drop_namespaces"]
    ]
    return result


# Bodies.

_ID = r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_VARIABLES = rf'"(?P<epoch>epoch)":(?P<epoch_value>{_TEXT})'
# `info`: `uptime` is left out in the first second, and `items` is cut in the recordings.
_NODE_VARIABLES = (
    rf'"(?P<key>uid|name|version|num_clients|num_users|num_channels|num_subs)":(?P<value>{_TEXT}|\d+)'
    r'|"(?P<items>items)":(?P<items_value>\{[^{}]*\})'
)
_UPTIME = re.compile(r'"uptime":([1-9]\d*),')
# observability.md 1.4: the first two underscores of a metric are dots; behind the name come labels with any value.
_ITEM_NAME = re.compile(r"centrifugo\.[a-z]+\.[a-z0-9_]+(\..+)?")


def variables(recorded: str) -> re.Pattern:
    is_node = '"nodes":[' in recorded
    return re.compile((_NODE_VARIABLES if is_node else _VARIABLES) + f"|(?P<id>{_ID})")


def skeleton(text: str, pattern: re.Pattern) -> str:
    """The text without the values of its variables."""
    return pattern.sub(lambda match: f"<{name_and_value(match)[0]}>", text)


def name_and_value(match: re.Match) -> tuple[str, str]:
    groups = match.groupdict()
    for name in ("epoch", "items"):
        if groups.get(name):
            return name, groups[f"{name}_value"]
    return (groups["key"], groups["value"]) if groups.get("key") else ("client", match["id"])


@dataclasses.dataclass
class Live:
    """What of `info` is known from outside: the port, the age, and what the staged clients have added."""

    port: int
    started: float
    clients: int = 0
    subscriptions: int = 0

    def limit(self, name: str) -> int:
        return self.clients if name in ("num_clients", "num_users") else self.subscriptions


def compare_body(recorded: str, actual: str, bindings: Bindings, live: Live) -> None:
    pattern = variables(recorded)
    if '"nodes":[' in recorded:
        for seconds in _UPTIME.findall(actual):
            if int(seconds) > time.monotonic() - live.started + 1:
                raise Mismatch(f"uptime {seconds} is more than the server's age")
        recorded, actual = _UPTIME.sub("", recorded), _UPTIME.sub("", actual)
    if skeleton(recorded, pattern) != skeleton(actual, pattern):
        raise Mismatch(f"body {actual!r} instead of {recorded!r}")
    for left, right in zip(pattern.finditer(recorded), pattern.finditer(actual), strict=True):
        name, value = name_and_value(left)
        compare_variable(name, value.strip('"'), name_and_value(right)[1].strip('"'), bindings, live)


def compare_variable(name: str, recorded: str, actual: str, bindings: Bindings, live: Live) -> None:
    is_right = True
    if name in ("epoch", "uid", "client"):
        is_right = bool((EPOCH if name == "epoch" else UUID).match(actual))
        if is_right:
            bindings.bind(name, recorded, actual, name)
    elif name == "name":
        is_right = len(actual) > len(f"_{live.port}") and actual.endswith(f"_{live.port}")
    elif name == "version":
        is_right = bool(VERSION.match(actual))
    elif name == "items":
        items = json.loads(actual)
        numbers = all(type(n) in (int, float) and math.isfinite(n) for n in items.values())
        is_right = numbers and len(items) > 0 and all(map(_ITEM_NAME.fullmatch, items))
    else:  # a counter of the last announcement, which may be from before the staged clients
        is_right = int(recorded) <= int(actual) <= max(int(recorded), live.limit(name))
    if not is_right:
        raise Mismatch(f"{name}: {actual!r} cannot stand for {recorded!r}")


# Heads.


def compare_head(case: Case, status: int, headers: dict) -> None:
    if status != case.response["status"]:
        raise Mismatch(f"status {status} instead of {case.response['status']}")
    for name, value in case.response["headers"].items():
        if headers.get(name) != value:
            raise Mismatch(f"header {name}: {headers.get(name)!r} instead of {value!r}")
    # What all recorded answers have, of which the files keep no copy (golden/server/README.md; server-api.md 1.5).
    try:
        age = time.time() - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        raise Mismatch(f"header date: {headers.get('date')!r}") from None
    if abs(age) > DATE_SLACK_SECONDS:
        raise Mismatch(f"header date: {headers['date']!r} is not now")
    if not case.is_cut and "content-length" not in headers:
        raise Mismatch("no content-length")
    is_plain_error = status >= 400 and headers.get("content-type", "").startswith("text/plain")
    if is_plain_error and headers.get("x-content-type-options") != "nosniff":
        raise Mismatch("no x-content-type-options: nosniff")


# The clients that were there while recording.


class StagedClient:
    """A client in JSON that connects with a token, subscribes, and then listens to nobody but the end."""

    def __init__(self, port: int, user: str, channels: list[str], secret: str):
        self.user, self.channels = user, channels
        self.socket = WebSocket(port)
        self.last_id = 0
        token = sign({"sub": user, "info": {"name": user}}, secret)
        self.id = self.ask("connect", {"token": token})["client"]
        for channel in channels:
            self.ask("subscribe", {"channel": channel})

    def ask(self, method: str, request: dict) -> dict:
        self.last_id += 1
        self.socket.send(json.dumps({"id": self.last_id, method: request}).encode(), TEXT)
        deadline = time.monotonic() + ANSWER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            frame = self.socket.receive(left)
            if frame is None or isinstance(frame, Closed):
                raise Mismatch(f"client {self.user}: {frame or 'no answer'} to {method}")
            for reply in map(json.loads, frame.decode().split("\n")):
                if reply.get("id") == self.last_id:
                    if method not in reply:
                        raise Mismatch(f"client {self.user}: {reply} to {method}")
                    return reply[method]
        raise Mismatch(f"client {self.user}: no answer to {method}")

    def expect_close(self, expected: Closed) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        frame = b""
        while isinstance(frame, bytes):
            frame = self.socket.receive(max(0.0, deadline - time.monotonic()))
        if frame != expected:
            raise Mismatch(f"client {self.user}: {frame or 'no close'} instead of {expected}")


class Replay:
    def __init__(self, file: str, server):
        self.cases, self.server = load(file), server
        self.bindings = Bindings()
        self.live = Live(server.port, server.started)
        self.clients: dict[str, StagedClient] = {}
        self.outcomes: list[str | None] = []  # of each case so far: what is wrong with it
        # What happened between the cases, told by tests/golden/server/README.md.
        api = file == "api"
        self.before = {
            "presence/ok": lambda: self.join(
                "42", "fa535838-f2f4-4c7f-937f-b99f7e01a2b1", ["chat", "plain:room"]
            ),
            "history/limit-zero": self.fill_history,
            "history/with-client-info": self.publish_as_client,
        }
        self.after = {"disconnect/ok-custom": self.leave}
        if not api:
            self.before, self.after = {}, {}

    def outcome(self, index: int) -> str | None:
        """Plays what has to come first, then the case, and tells what is wrong with it."""
        while len(self.outcomes) <= index:
            case = self.cases[len(self.outcomes)]
            try:
                self.play(case)
                self.outcomes.append(None)
            except (AssertionError, ValueError, OSError) as error:
                self.outcomes.append(f"{case.name}: {error}")
        return self.outcomes[index]

    def close(self) -> None:
        for client in self.clients.values():
            client.socket.close()

    def play(self, case: Case) -> None:
        self.before.get(case.name, lambda: None)()
        request = case.request
        body = request["body"]
        answer = self.server.request(
            request["method"],
            request["path"],
            None if body is None else self.fresh(body),
            request["headers"],
        )
        self.judge(case, *answer)
        self.after.get(case.name, lambda: None)()

    def judge(self, case: Case, status: int, headers: dict, body: str) -> None:
        if case.later is None and case.expect is None:
            self.compare(case, case.body, status, headers, body)
            return
        is_as_recorded = True
        try:
            self.compare(case, case.response["body"], status, headers, body)
        except Mismatch:
            is_as_recorded = False
        if is_as_recorded:
            raise Mismatch("answers as recorded: its entry in server_ledger.toml is out of date")
        if case.expect is not None:
            self.compare(case, case.expect, status, headers, body)

    def compare(self, case: Case, expected: str, status: int, headers: dict, body: str) -> None:
        compare_head(case, status, headers)
        if not case.is_cut:
            compare_body(expected, body, self.bindings, self.live)
        elif not body.startswith(expected) or len(body) == len(expected):
            raise Mismatch(f"body {body[:200]!r} does not begin with {expected!r}, or is no longer")

    def fresh(self, body: str) -> str:
        """The request with the ids and epochs of this run, and with a moment to come instead of one that has passed."""

        def again(match: re.Match) -> str:
            is_past = is_stale(int(match[2]))
            return match[1] + (str(int(time.time()) + FRESH_SECONDS) if is_past else match[2])

        return re.sub(r'("expire_at": ?)(\d+)', again, self.bindings.rewrite(body))

    # What happened between the cases.

    def join(self, user: str, recorded_id: str, channels: list[str]) -> StagedClient:
        secret = recorded_config()["client"]["token"]["hmac_secret_key"]
        client = StagedClient(self.server.port, user, channels, secret)
        self.clients[user] = client
        self.live.clients += 1
        self.live.subscriptions += len(channels)
        self.bindings.bind("client", recorded_id, client.id, f"client of user {user}")
        return client

    def fill_history(self) -> None:
        for n in range(4):
            self.server.api("publish", {"channel": "h1", "data": {"n": n}}, API_KEY)

    def publish_as_client(self) -> None:
        client = self.join("44", "7ea93ff1-3559-46e3-ae30-2b51c842b177", ["h2"])
        client.ask("publish", {"channel": "h2", "data": {"from": "client"}})

    def leave(self) -> None:
        self.clients.pop("42").expect_close(Closed(4500, "custom bye"))
