"""The replay of the server API judged without a server, as test_replay.py does it for the client recordings.

`RecordedApi` answers with the recording, ids and epochs changed as a new run changes them, plays the part of the server
for the clients that were there while recording, and answers as this release does where the ledger says so.
"""

import fnmatch
import http.server
import json
import re
import threading
import time
import unittest

import server_replay
import settings
from matching import Bindings, Mismatch
from server import Server
from server_replay import LEDGER, Live, compare_body
from standin import Names, accept_key, read_frame, write_frame
from websocket import CLOSE, TEXT

NOT_FOUND = {
    "status": 404,
    "headers": {"content-type": "text/plain; charset=utf-8"},
    "body": "404 page not found\n",
}
CLIENTS = {"42": "fa535838-f2f4-4c7f-937f-b99f7e01a2b1", "44": "7ea93ff1-3559-46e3-ae30-2b51c842b177"}


class RecordedApi:
    """A server that says what a file says. `tamper` gets the name of a case and its response, and may change it."""

    def __init__(self, file: str, tamper=None, close_code: int = 4500):
        self.cases = server_replay.load(file)
        self.tamper, self.close_code = tamper or (lambda name, response: None), close_code
        self.names = Names()
        self.position = self.joined = 0
        self.streams = {}
        handler = type("Handler", (_Handler,), {"api": self})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.started = time.monotonic()
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    request, api = Server.request, Server.api

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(10)

    def response(self, method: str, path: str, headers: dict, body: str) -> dict:
        """What the next case answers, if this is its request; else it is one that happened between the cases."""
        case = self.cases[self.position]
        if not self.is_request(case.request, method, path, headers, body):
            return {"status": 200, "headers": {}, "body": '{"result":{}}'}
        self.position += 1
        response = NOT_FOUND if case.later else case.response
        response = {**response, "headers": dict(response["headers"])}
        if case.expect is not None:
            response["body"] = case.expect
        if case.is_cut:
            response["body"] += " and so on"
        if response["status"] >= 400 and response["headers"].get("content-type", "").startswith("text"):
            response["headers"]["x-content-type-options"] = "nosniff"
        response["body"] = self.run_now(response["body"])
        self.tamper(case.name, response)
        if case.name == "disconnect/ok-custom":
            payload = self.close_code.to_bytes(2, "big") + b"custom bye"
            write_frame(self.streams["42"], CLOSE, payload)
        return response

    def run_now(self, body: str) -> str:
        body = self.names.renamed(body).replace("_28000", f"_{self.port}")
        return re.sub(r'"uptime":\d+,', "", body)

    def is_request(self, recorded: dict, method: str, path: str, headers: dict, body: str) -> bool:
        without_time = [
            re.sub(r'("expire_at": )\d+', r"\1", text)
            for text in (recorded["body"] or "", self.names.recorded(body))
        ]
        has_headers = all(headers.get(name) == value for name, value in recorded["headers"].items())
        is_upgrade = "Upgrade" in recorded["headers"]
        return (
            (recorded["method"], recorded["path"]) == (method, path)
            and has_headers
            and is_upgrade == ("Upgrade" in headers)
            and without_time[0] == without_time[1]
        )

    def serve_client(self, stream):
        user = list(CLIENTS)[self.joined]
        self.joined += 1
        self.streams[user] = stream
        while True:
            opcode, data = read_frame(stream)
            if opcode == CLOSE:
                write_frame(stream, CLOSE, data)
                return
            command = json.loads(data)
            method = [key for key in command if key != "id"][0]
            result = {"client": CLIENTS[user]} if method == "connect" else {}
            text = self.names.renamed(json.dumps({"id": command["id"], method: result}))
            write_frame(stream, TEXT, text.encode())


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: RecordedApi

    def answer(self):
        headers = dict(self.headers.items())
        if self.path == "/connection/websocket" and "Sec-WebSocket-Key" in headers and not self.is_case():
            self.upgrade(headers["Sec-WebSocket-Key"].encode())
            return
        body = self.rfile.read(int(headers.get("Content-Length", 0))).decode()
        response = self.api.response(self.command, self.path, headers, body)
        self.send_response(response["status"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        payload = response["body"].encode()
        if not response.get("without_length"):
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_OPTIONS = answer  # noqa: N815

    def is_case(self) -> bool:
        return self.api.cases[self.api.position].name.startswith("ws/")

    def upgrade(self, key: bytes):
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(key))
        self.end_headers()
        stream = self.connection.makefile("rwb")
        self.close_connection = True
        try:
            self.api.serve_client(stream)
        except (OSError, ValueError):
            return  # the replay has seen enough and hung up

    def log_message(self, *_):
        pass


def failures(file: str, tamper=None, **stand_in) -> list[str]:
    server = RecordedApi(file, tamper, **stand_in)
    replay = server_replay.Replay(file, server)
    try:
        outcomes = [replay.outcome(index) for index in range(len(replay.cases))]
    finally:
        replay.close()
        server.close()
    return [outcome for outcome in outcomes if outcome is not None]


class ServerPlayback(unittest.TestCase):
    """Every file passes against itself, what is in the ledger included."""

    maxDiff = None

    def test_each_file_passes(self):
        for file in server_replay.files():
            with self.subTest(file):
                self.assertEqual([], failures(file))


class ServerTampering(unittest.TestCase):
    """One answer changed, and the replay says so, of this case alone."""

    def expect_failure(self, name, change, text, file="api"):
        def tamper(case, response):
            if case == name:
                change(response)

        found = failures(file, tamper)
        self.assertEqual(1, len(found), found)
        self.assertIn(f"{name}: ", found[0])
        self.assertIn(text, found[0])

    def replace(self, old, new):
        def change(response):
            if old not in response["body"]:
                raise AssertionError(f"no {old!r} in {response}")
            response["body"] = response["body"].replace(old, new)

        return change

    def test_another_status_fails(self):
        self.expect_failure("publish/bad-json", lambda r: r.update(status=422), "422 instead of 400")

    def test_another_header_fails(self):
        change = lambda r: r["headers"].update({"content-type": "application/json; charset=utf-8"})  # noqa: E731
        self.expect_failure("publish/ok-tags", change, "content-type")

    def test_an_error_that_may_be_sniffed_fails(self):
        change = lambda r: r["headers"].pop("x-content-type-options")  # noqa: E731
        self.expect_failure("publish/bad-json", change, "nosniff")

    def test_a_missing_length_fails(self):
        change = lambda r: r.update(without_length=True)  # noqa: E731
        self.expect_failure("publish/ok-tags", change, "content-length")

    def test_another_offset_fails(self):
        self.expect_failure("publish/ok-tags", self.replace('"offset":2', '"offset":3'), "instead of")

    def test_another_epoch_than_before_fails(self):
        self.expect_failure("publish/ok-tags", self.replace("Epoch001", "Epoch999"), "epoch")

    def test_another_order_of_members_fails(self):
        change = self.replace('"num_clients":1,"num_users":1', '"num_users":1,"num_clients":1')
        self.expect_failure("presence_stats/ok", change, "instead of")

    def test_the_same_text_escaped_otherwise_fails(self):
        self.expect_failure("history/html-chars-escaped", self.replace("\\u003c", "<"), "", "api-extra")

    def test_a_newline_at_the_end_fails(self):
        self.expect_failure("batch/empty", self.replace("{}", "{}\n"), "instead of")

    def test_another_client_in_presence_fails(self):
        def change(response):
            response["body"] = re.sub(r"[0-9a-f]{4}-4", "0000-4", response["body"])

        self.expect_failure("presence/ok", change, "client")

    def test_an_answer_that_the_ledger_does_not_expect_fails(self):
        change = self.replace("102", "103")
        self.expect_failure("publish/map-namespace-rejected", change, "instead of")

    def test_a_feature_that_came_makes_its_entry_fail(self):
        def tamper(case, response):
            if case == "init/get":
                headers = {"access-control-allow-credentials": "true", "access-control-allow-origin": ""}
                headers["content-type"] = "application/json; charset=utf-8"
                response.update(status=200, headers=headers, body="{}")

        found = failures("misc", tamper)
        self.assertEqual(1, len(found), found)
        self.assertIn("out of date", found[0])

    def test_a_client_closed_otherwise_fails(self):
        found = failures("api", close_code=3503)
        self.assertEqual(1, len(found), found)
        self.assertIn("4500", found[0])


class NodeInfo(unittest.TestCase):
    """`info` is true for the server at hand, not the recorded one."""

    RECORDED = next(c.body for c in server_replay.load("api") if c.name == "info/ok")

    def compare(self, old="", new=""):
        actual = Names().renamed(self.RECORDED).replace("_28000", "_1234").replace('"uptime":75,', "")
        self.assertIn(old, actual)
        live = Live(1234, time.monotonic(), clients=1, subscriptions=2)
        compare_body(self.RECORDED, actual.replace(old, new, 1), Bindings(), live)

    def fails(self, old, new):
        with self.assertRaises(Mismatch):
            self.compare(old, new)

    def test_counters_may_be_from_before_the_clients_or_with_them(self):
        self.compare()
        self.compare('"num_clients":0', '"num_clients":1')
        self.compare('"num_subs":0', '"num_subs":2')

    def test_more_than_there_is_fails(self):
        self.fails('"num_clients":0', '"num_clients":2')
        self.fails('"num_subs":0', '"num_subs":3')

    def test_another_name_fails(self):
        self.fails("host_1234", "host_8000")
        self.fails("host_1234", "_1234")

    def test_the_reference_version_fails(self):
        self.fails("6.9.1 Gyre/0.1.0", "6.9.1 OSS")

    def test_an_uptime_before_the_start_fails(self):
        self.fails('"metrics"', '"uptime":60,"metrics"')
        self.fails('"metrics"', '"uptime":0,"metrics"')

    def test_metrics_are_named_numbers(self):
        self.fails("centrifugo.broker", "gyre.broker")
        self.fails(":7.354e-05", ':"7"')
        self.fails(":7.354e-05", ":NaN")
        self.compare('"items":{', '"items":{"centrifugo.node.build.version.6.9.1 Gyre/0.1.0":1,')
        self.fails('"interval":60', '"interval":30')


class ServerLedger(unittest.TestCase):
    def test_each_case_named_is_there(self):
        names = {file: [case.name for case in server_replay.load(file)] for file in server_replay.files()}
        for file, globs in LEDGER["later"].items():
            for glob in globs:
                self.assertTrue(fnmatch.filter(names[file], glob), f"{file} {glob}")
        for entry in LEDGER["expect"]:
            self.assertIn(entry["case"], names[entry["file"]])
            self.assertTrue(entry["reason"])

    def test_each_key_stripped_is_recorded_and_not_served_yet(self):
        recorded = set(settings.paths(server_replay.recorded_config()))
        for entry in LEDGER["strip"]:
            self.assertIn(entry.replace(".*", "[]"), recorded)
            self.assertTrue(settings.is_unavailable(entry), f"{entry} is served, or ignored, by now")

    def test_each_namespace_dropped_needs_a_feature_that_is_missing(self):
        namespaces = {n["name"]: n for n in server_replay.recorded_config()["channel"]["namespaces"]}
        for name in LEDGER["drop_namespaces"]:
            keys = set(settings.paths(namespaces[name], "channel.namespaces[]"))
            self.assertTrue(keys & settings.unavailable(), name)

    def test_nothing_is_left_that_the_server_refuses(self):
        left = set(settings.paths(server_replay.config()))
        self.assertEqual(set(), left & settings.unavailable())
