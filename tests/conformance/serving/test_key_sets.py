"""Tokens whose keys come from an HTTP server: fetched when needed, shared, rotated, late, empty, huge, and missing."""

import gzip
import http.server
import json
import pathlib
import tempfile
import threading
import time
import unittest

from keys import Key
from server import Server
from websocket import TEXT, Closed, WebSocket

WAIT_SECONDS = 20
INTERNAL = {"code": 100, "message": "internal server error"}


class KeyServer(http.server.ThreadingHTTPServer):
    """Serves `keys`, or `body` if there is one, with `status`; waits for `gate` before each answer.

    An `endless` one sends on until nobody listens any more, which `cut` tells. `stalls`: waits for `gate` in the middle
    of the body instead.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), KeyHandler)
        self.keys, self.status, self.paths, self.gate = [], 200, [], threading.Event()
        self.body, self.headers, self.stalls, self.endless, self.cut = None, {}, False, False, threading.Event()
        self.gate.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, *_):
        pass  # a client that has given up is none

    def __exit__(self, *details) -> None:
        self.gate.set()
        self.shutdown()
        super().__exit__(*details)


class KeyHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.paths.append(self.path)
        if not server.stalls:
            server.gate.wait(WAIT_SECONDS)
        body = json.dumps({"keys": server.keys}).encode() if server.body is None else server.body
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        if not server.endless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.endless:
            self.pour()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if server.stalls:
            server.gate.wait(WAIT_SECONDS)
        self.wfile.write(body[half:])

    def pour(self):
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            self.server.cut.set()
            raise

    def log_message(self, *_):
        pass


class KeySets(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.first, self.second = Key("first", folder), Key("second", folder)
        self.backend = self.enterContext(KeyServer())
        self.backend.keys = [self.first.jwk()]

    def serve(self, endpoint: str, shards: int = 0, **more) -> Server:
        token = {"jwks_public_endpoint": self.backend.url(endpoint), **more}
        config = {"client": {"token": token}, "http_api": {"key": "api-key"}, "gyre": {"shards": shards}}
        return self.enterContext(Server(config))

    def ask(self, server: Server, token: str) -> WebSocket:
        connection = self.say(server, token)
        self.addCleanup(connection.abort)
        return connection

    def connect(self, server: Server, token: str):
        connection = self.say(server, token)
        try:
            answer = connection.receive(WAIT_SECONDS)
        finally:
            connection.abort()
        return answer if isinstance(answer, Closed) else json.loads(answer)

    @staticmethod
    def say(server: Server, token: str) -> WebSocket:
        connection = WebSocket(server.port)
        connection.send(json.dumps({"id": 1, "connect": {"token": token}}).encode(), TEXT)
        return connection

    def test_clients_connect_with_keys_of_the_set(self):
        server = self.serve("/keys")
        for _ in range(3):
            self.assertIn("connect", self.connect(server, self.first.sign({"sub": "ann"})))
        # Each shard has asked at most once.
        self.assertLessEqual(len(self.backend.paths), 2)
        self.assertEqual(self.connect(server, self.second.sign({"sub": "ann"}, "first")), Closed(3500, "invalid token"))
        self.assertEqual(self.connect(server, "a.b.c"), Closed(3500, "invalid token"))

    def test_a_new_key_is_found(self):
        server = self.serve("/keys")
        token = self.second.sign({"sub": "ann"})
        self.assertEqual(self.connect(server, token), Closed(3500, "invalid token"))
        self.backend.keys.append(self.second.jwk())
        answer, deadline = None, time.monotonic() + WAIT_SECONDS
        while not isinstance(answer, dict) and time.monotonic() < deadline:  # sets are asked for once a second
            answer = self.connect(server, token)
        self.assertIn("connect", answer)

    def test_without_keys_the_error_is_temporary(self):
        self.backend.status = 503
        server = self.serve("/keys")
        answer = self.connect(server, self.first.sign({"sub": "ann"}))
        self.assertEqual(answer["error"], {"code": 100, "message": "internal server error", "temporary": True})
        deadline = time.monotonic() + WAIT_SECONDS
        while "error loading a key set" not in server.log():  # written behind the answer
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_a_slow_set_holds_up_nobody_else(self):
        server = self.serve("/{{realm}}/keys", issuer_regex="^(?P<realm>slow|quick)$")
        self.assertIn("connect", self.connect(server, self.first.sign({"sub": "ann", "iss": "quick"})))
        self.backend.gate.clear()
        waiting = self.ask(server, self.first.sign({"sub": "ann", "iss": "slow"}))
        for number in range(5):
            # The other shard may not have the quick set yet: then it waits as well, and not for long.
            answer = self.connect(server, self.first.sign({"sub": f"b{number}", "iss": "quick"}))
            self.assertTrue("connect" in answer or answer["error"]["code"] == 100)
        self.backend.gate.set()
        self.assertIsNotNone(waiting.receive(WAIT_SECONDS))
        self.assertIn("/slow/keys", self.backend.paths)

    def test_an_issuer_of_no_group_is_not_asked_for(self):
        server = self.serve("/{{realm}}/keys", issuer_regex="^(?P<realm>one|two)$")
        answer = self.connect(server, self.first.sign({"sub": "ann", "iss": "three"}))
        self.assertEqual(answer, Closed(3500, "invalid token"))
        self.assertEqual(self.backend.paths, [])

    def test_each_issuer_has_a_set_of_its_own(self):
        late = self.enterContext(KeyServer())
        late.keys = [self.second.jwk()]
        late.gate.clear()
        one = {"name": "one", "endpoint": self.backend.url("/one"), "issuer": "https://one"}
        two = {"name": "two", "endpoint": late.url("/two"), "issuer": "https://two", "audience": "app"}
        server = self.enterContext(Server({"gyre": {"jwks": {"providers": [one, two]}}}))
        of_two = {"sub": "ann", "iss": "https://two", "aud": ["app"]}
        waiting = self.ask(server, self.second.sign(of_two))
        self.assertIn("connect", self.connect(server, self.first.sign({"sub": "ann", "iss": "https://one"})))
        late.gate.set()
        self.assertIn("connect", json.loads(waiting.receive(WAIT_SECONDS)))
        invalid = Closed(3500, "invalid token")
        self.assertEqual(self.connect(server, self.second.sign({"sub": "ann", "iss": "https://one"})), invalid)
        self.assertEqual(self.connect(server, self.second.sign({**of_two, "aud": "other"})), invalid)
        self.assertEqual(self.connect(server, self.first.sign({"sub": "ann", "iss": "https://three"})), invalid)
        self.assertEqual({*self.backend.paths, *late.paths}, {"/one", "/two"})

    # --- Sets that are late, empty, huge or none

    def expect_no_set(self, server: Server, connection: WebSocket | None = None) -> None:
        """The error is one that clients come back after."""
        connection = connection or self.ask(server, self.first.sign({"sub": "ann"}))
        answer = connection.receive(WAIT_SECONDS)
        self.assertEqual(json.loads(answer)["error"], {**INTERNAL, "temporary": True})

    def expect_recovery(self, server: Server) -> None:
        """Clients connect as soon as the set is as it should be; it is asked for once a second."""
        self.backend.body, self.backend.headers, self.backend.status = None, {}, 200
        self.backend.stalls = self.backend.endless = False
        self.backend.gate.set()
        token = self.first.sign({"sub": "ann"})
        answer, deadline = None, time.monotonic() + WAIT_SECONDS
        while not (isinstance(answer, dict) and "connect" in answer) and time.monotonic() < deadline:
            answer = self.connect(server, token)
        self.assertIn("connect", answer)

    def test_a_set_that_does_not_come_is_given_up(self):
        for stalls in (False, True):  # before the answer, and in the middle of it
            with self.subTest(stalls=stalls):
                server = self.serve("/keys")
                self.backend.stalls = stalls
                self.backend.gate.clear()
                waiting = [self.ask(server, self.first.sign({"sub": f"a{number}"})) for number in range(5)]
                for connection in waiting:
                    self.expect_no_set(server, connection)
                self.expect_recovery(server)

    def test_an_empty_set_has_no_key(self):
        for body in (b'{"keys":[]}', b'{"keys":[{}]}', b'{"keys":[null,1,"x",[],{"kid":"first"}]}'):
            with self.subTest(body=body):
                server = self.serve("/keys")
                self.backend.body = body
                answer = self.connect(server, self.first.sign({"sub": "ann"}))
                self.assertEqual(answer, Closed(3500, "invalid token"))
                self.expect_recovery(server)

    def test_what_is_no_set_is_a_temporary_error(self):
        nested = b'{"keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        for body in (b"", b"{}", b"[]", b"null", b'{"keys":{}}', b'{"keys":null}', b"<html>", b'{"keys":[', nested):
            with self.subTest(body=body[:20]):
                self.backend.body = body
                self.expect_no_set(self.serve("/keys"))
        server = self.serve("/keys")
        self.expect_no_set(server)
        self.expect_recovery(server)

    def test_a_huge_set_is_cut_off(self):
        other = self.second.jwk()
        many = [{**other, "kid": f"other{number}"} for number in range(4000)]
        self.backend.keys = [*many, self.first.jwk()]
        self.assertLess(len(json.dumps(self.backend.keys)), 1 << 20)
        self.assertIn("connect", self.connect(self.serve("/keys"), self.first.sign({"sub": "ann"})))

        self.backend.keys = [*many, *many, *many, self.first.jwk()]
        self.assertGreater(len(json.dumps(self.backend.keys)), 1 << 20)
        self.expect_no_set(self.serve("/keys"))

        self.backend.body = gzip.compress(json.dumps({"keys": [], "x": " " * (64 << 20)}).encode())
        self.assertLess(len(self.backend.body), 1 << 20)
        self.backend.headers = {"Content-Encoding": "gzip"}
        self.expect_no_set(self.serve("/keys"))

        self.backend.body, self.backend.headers, self.backend.endless = None, {}, True
        server = self.serve("/keys")
        self.expect_no_set(server)
        self.assertTrue(self.backend.cut.wait(WAIT_SECONDS))
        self.backend.keys = [self.first.jwk()]
        self.expect_recovery(server)

    def test_keys_rotate(self):
        server = self.serve("/keys")
        old, new = self.first.sign({"sub": "ann"}), self.second.sign({"sub": "ann"})
        self.assertIn("connect", self.connect(server, old))
        self.backend.keys = [self.second.jwk()]
        answer, deadline = None, time.monotonic() + WAIT_SECONDS
        while not isinstance(answer, dict) and time.monotonic() < deadline:
            answer = self.connect(server, new)
        self.assertIn("connect", answer)
        # A shard that has asked again has the old key no more; each does when it is shown the new one.
        answer, deadline = {}, time.monotonic() + WAIT_SECONDS
        while isinstance(answer, dict) and time.monotonic() < deadline:
            self.connect(server, new)
            answer = self.connect(server, old)
        self.assertEqual(answer, Closed(3500, "invalid token"))

    def test_a_rotation_that_fails_leaves_the_keys(self):
        server = self.serve("/keys", shards=1)  # each has keys of its own
        self.assertIn("connect", self.connect(server, self.first.sign({"sub": "ann"})))
        self.backend.status = 500
        asked = len(self.backend.paths)
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.backend.paths) == asked and time.monotonic() < deadline:  # at most once a second
            self.connect(server, self.second.sign({"sub": "ann"}))
        self.assertGreater(len(self.backend.paths), asked)
        self.backend.status = 200
        for _ in range(4):
            self.assertIn("connect", self.connect(server, self.first.sign({"sub": "ann"})))
