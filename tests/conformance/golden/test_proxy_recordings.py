"""Proxies, as recorded: the server between clients and a backend that answers as the recorder's did."""

import base64
import collections
import json
import pathlib
import queue
import re
import threading
import time
import unittest

from backend import Backend, Call, Reply
from matching import Bindings, Mismatch, compare, sign
from server import Server
from websocket import TEXT, Closed, WebSocket

RECORDINGS = pathlib.Path(__file__).resolve().parents[2] / "golden" / "cluster"
WAIT_SECONDS = 20
LATER = re.compile("map |shared poll")  # features that come later
OF_LATER_FEATURES = "/shared_poll_refresh"
TIMEOUT_STEP = "publish -> timeout (1s)"
REFRESHED = "wait for server side refresh of connection (expire_at passed)"

FORWARDED = {"Cookie": "sid=abc", "X-Real-Ip": "10.0.0.9"}
EMULATED = {"X-Emu": "E1", "Authorization": "Bearer T"}
COMPARED_HEADERS = ("authorization", "content-type", "cookie", "x-emu", "x-real-ip", "x-static")
CONNECT = {"data": {"cd": 1}, "name": "js", "version": "1.2"}

# Steps whose commands reached no backend.
UNASKED = {
    "rpc b64data": {"rpc": {"method": "nowhere:hello"}},
    "user-limited etc skipped; publish empty data": {"publish": {"channel": "sp:x"}},
}
# Long enough for an answer to arrive before it is over: ends are whole seconds, and one that has come is refused.
SHORT_SECONDS = 3
# Who is to come to an end within the exchange; everybody else lives for an hour.
SHORT_LIVES = {
    ("subscribe sp:ref", "/subscribe"),
    ("subscribe sp:ref2", "/subscribe"),
    ("sub_refresh result without expire_at", "/subscribe"),
    ("connect expiring", "/connect"),
    ("refresh result without expire_at", "/connect"),
    ("refresh HTTP 404", "/connect"),
}


def steps(name: str) -> list[dict]:
    recorded = json.loads((RECORDINGS / f"{name}.json").read_text())
    kept = [step for step in recorded if not LATER.match(step["step"])]
    for step in kept:
        calls = [call for call in step["proxy_calls"] if call["path"] != OF_LATER_FEATURES]
        # The first connection was refreshed while a publish waited, which is told once more in a step of its own.
        step["proxy_calls"] = [c for c in calls if step["step"] != TIMEOUT_STEP or c["path"] != "/refresh"]
    return kept


def lifetime(step: str, path: str) -> int:
    starts = [start for start, of in SHORT_LIVES if of == path and step.startswith(start)]
    if step == "connect" and path == "/connect":
        return SHORT_SECONDS
    return SHORT_SECONDS if starts else 3600


class Recorded:
    """The recorder's backend: answers to each path in the recorded order, with ends of life that are still to come."""

    def __init__(self, recorded: list[dict]):
        self.answers = collections.defaultdict(collections.deque)
        self.calls = collections.defaultdict(queue.Queue)
        self.released = threading.Event()
        for step in recorded:
            for call in step["proxy_calls"]:
                self.answers[call["path"]].append((step["step"], call))

    def answer(self, call: Call) -> Reply:
        self.calls[call.path].put(call)
        step, recorded = self.answers[call.path].popleft()
        if step == TIMEOUT_STEP:
            self.released.wait(WAIT_SECONDS)
        end = int(time.time()) + lifetime(step, call.path)
        body = re.sub(r'(?<="expire_at": )\d+', str(end), recorded["response_body"])
        return Reply(body.encode(), recorded["response_status"])


def command_of(step: dict) -> dict:
    call = step["proxy_calls"][0]
    body = json.loads(call["request_body_raw"])
    fields = {name: body[name] for name in ("channel", "method", "data") if name in body}
    if "b64data" in body:
        fields["data"] = json.loads(base64.b64decode(body["b64data"]))
    kind = call["path"].strip("/")
    if kind == "binary":
        kind = "subscribe" if "subscribe" in step["step"] else "publish"
    return {kind: fields}


def config(backend: Backend) -> dict:
    def proxy(path: str, **more) -> dict:
        return {
            "endpoint": backend.url(path),
            "timeout": "1s",
            "http_headers": ["cookie", "X-Real-IP"],
            "emulated_headers": ["x-EMU", "authorization"],
            "include_connection_meta": True,
            "http": {
                "static_headers": {"X-Static": "s1"},
                "status_to_code_transforms": [
                    {"status_code": 404, "to_error": {"code": 404, "message": "not found here", "temporary": True}},
                    {"status_code": 403, "to_disconnect": {"code": 4403, "reason": "forbidden"}},
                ],
            },
        } | more

    asked = {"subscribe_proxy_enabled": True, "publish_proxy_enabled": True}
    named = {"subscribe_proxy_name": "bin", "publish_proxy_name": "bin"}
    history = {"history_size": 10, "history_ttl": "60s"}
    return {
        "client": {
            "token": {"hmac_secret_key": "secret"},
            "proxy": {event: proxy(event, enabled=True) for event in ("connect", "refresh")},
            "presence_update_interval": "1s",
            "expired_sub_close_delay": "1s",
        },
        "channel": {
            "proxy": {event: proxy(event) for event in ("subscribe", "publish", "sub_refresh")},
            "namespaces": [
                {"name": "sp", "presence": True, "sub_refresh_proxy_enabled": True} | asked | history,
                {"name": "bin"} | asked | named,
            ],
        },
        "rpc": {"proxy": proxy("rpc"), "without_namespace": {"proxy_enabled": True}},
        "proxies": [proxy("binary", name="bin", binary_encoding=True)],
    }


class Exchange:
    """One file of recordings against a server."""

    def __init__(self, server: Server, recorded: Recorded):
        self.server, self.recorded = server, recorded
        self.bindings = Bindings()
        self.connections: dict[str, WebSocket] = {}
        self.current: WebSocket | None = None
        self.pushes = collections.defaultdict(list)

    def run(self, step: dict) -> None:
        calls = step["proxy_calls"]
        if step["step"] == REFRESHED:
            self.expect_calls(calls)
        elif calls and calls[0]["path"] == "/connect" or step["step"].startswith("connect"):
            self.connect(step)
        else:
            if calls:
                client = json.loads(calls[0]["request_body_raw"])["client"]
                self.current = self.connections[client]
            command = command_of(step) if calls else UNASKED[step["step"]]
            self.send({"id": step["client_result"].get("id", 100)} | command)
            self.expect_answer(step)
            self.expect_calls(calls)
        self.expect_rest(step)

    def connect(self, step: dict) -> None:
        is_bare = step["step"] == "connect without data/headers"
        forwarded = {} if is_bare else FORWARDED | {"X-Emu": "the transport's is not asked for"}
        self.current = WebSocket(self.server.port, headers=forwarded)
        command = {} if is_bare else CONNECT | {"headers": EMULATED | {"Cookie": "spoofed"}}
        if not step["proxy_calls"]:
            command = {"token": sign({"sub": "u1"})}
        for call in step["proxy_calls"]:
            self.connections[json.loads(call["request_body_raw"])["client"]] = self.current
        self.send({"id": 1, "connect": command})
        self.expect_answer(step)
        self.expect_calls(step["proxy_calls"])

    def send(self, command: dict) -> None:
        self.current.send(json.dumps(command).encode(), TEXT)

    def hear(self):
        """The next reply or the close; what is pushed meanwhile is kept."""
        while True:
            frame = self.current.receive(WAIT_SECONDS)
            if frame is None or isinstance(frame, Closed):
                return frame
            answers = []
            for text in frame.decode().split("\n"):
                message = json.loads(text)
                if message == {}:
                    self.current.send(b"{}", TEXT)
                elif "push" in message:
                    self.pushes[self.current].append(message)
                else:
                    answers.append(message)
            if len(answers) > 1:
                raise Mismatch(f"several answers: {answers}")
            if answers:
                return answers[0]

    def expect_answer(self, step: dict) -> None:
        answer, expected = self.hear(), step["client_result"]
        if step["step"] == TIMEOUT_STEP:
            self.recorded.released.set()
        if "closed" in expected:
            if answer != Closed(*expected["closed"]):
                raise Mismatch(f"{answer} instead of {expected}")
        elif not isinstance(answer, dict):
            raise Mismatch(f"{answer} instead of {expected}")
        else:
            compare(expected, answer, self.bindings)

    def expect_calls(self, calls: list[dict]) -> None:
        for expected in calls:
            actual = self.recorded.calls[expected["path"]].get(timeout=WAIT_SECONDS)
            client = json.loads(expected["request_body_raw"])["client"]
            self.bindings.bind("client", client, actual.body["client"], expected["path"])
            text = self.bindings.rewrite(expected["request_body_raw"])
            if (actual.method, actual.text) != ("POST", text):
                raise Mismatch(f"the backend was asked {actual.text} instead of {text}")
            headers = {name.lower(): value for name, value in expected["request_headers"].items()}
            for name in COMPARED_HEADERS:
                if actual.headers.get(name) != headers.get(name):
                    raise Mismatch(f"{name}: {actual.headers.get(name)} instead of {headers.get(name)}")

    def expect_rest(self, step: dict) -> None:
        for push in step.get("pushes") or []:
            heard = self.pushes[self.current]
            deadline = time.monotonic() + WAIT_SECONDS
            while push not in heard and time.monotonic() < deadline:
                self.fence()
                time.sleep(0.05)
            if push not in heard:
                raise Mismatch(f"{heard} instead of {push}")
        if step.get("closed"):
            answer = self.hear()
            if answer != Closed(*step["closed"]):
                raise Mismatch(f"{answer} instead of {step['closed']}")
        elif "closed" in step:
            self.fence()

    def fence(self) -> None:
        """The connection lives, and all that was on its way to the client is there."""
        self.send({"id": 4000000, "unsubscribe": {"channel": "nothing"}})
        answer = self.hear()
        if answer != {"id": 4000000, "unsubscribe": {}}:
            raise Mismatch(f"{answer} instead of the answer to an unsubscribe")


class ProxyRecordings(unittest.TestCase):
    maxDiff = None
    is_ordered = False

    def replay(self, name: str) -> None:
        played = steps(name)
        recorded = Recorded(played)
        self.addCleanup(recorded.released.set)
        with Backend(recorded.answer) as backend, Server(config(backend)) as server:
            exchange = Exchange(server, recorded)
            for step in played:
                try:
                    exchange.run(step)
                except (Mismatch, ValueError, OSError, queue.Empty, KeyError) as error:
                    raise AssertionError(f"{step['step']}: {error!r}\n{server.log()[-4000:]}") from error
            left = {path: [step for step, _ in answers] for path, answers in recorded.answers.items() if answers}
            self.assertEqual(left, {}, "not asked for")
            for connection in [*exchange.connections.values(), exchange.current]:
                connection.abort()

    def test_proxy_http(self):
        self.replay("proxy_http")

    def test_proxy_http_edge(self):
        self.replay("proxy_http_edge")


ProxyRecordings.test_proxy_http.seconds = 20
