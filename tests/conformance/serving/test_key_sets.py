"""Tokens whose keys come from an HTTP server: fetched when needed, shared, rotated, and missing."""

import base64
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest

from server import Server
from websocket import TEXT, Closed, WebSocket

WAIT_SECONDS = 20


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


class Key:
    """An Ed25519 key, made and used by the openssl program."""

    def __init__(self, name: str, folder: pathlib.Path):
        self.name, self.file, self.text_file = name, folder / f"{name}.pem", folder / f"{name}.txt"
        openssl("genpkey", "-algorithm", "ed25519", "-out", str(self.file))

    def jwk(self) -> dict:
        public = openssl("pkey", "-in", str(self.file), "-pubout", "-outform", "DER")[-32:]
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.name, "x": encoded(public)}

    def sign(self, claims: dict, name: str = "") -> str:
        header = {"alg": "EdDSA", "kid": name or self.name}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        self.text_file.write_text(text)  # one-shot signatures need a file
        signature = openssl("pkeyutl", "-sign", "-inkey", str(self.file), "-rawin", "-in", str(self.text_file))
        return f"{text}.{encoded(signature)}"


class KeyServer(http.server.ThreadingHTTPServer):
    """Serves `keys` with `status`; waits for `gate` before each answer."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), KeyHandler)
        self.keys, self.status, self.paths, self.gate = [], 200, [], threading.Event()
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
        self.server.paths.append(self.path)
        self.server.gate.wait(WAIT_SECONDS)
        body = json.dumps({"keys": self.server.keys}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class KeySets(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.first, self.second = Key("first", folder), Key("second", folder)
        self.backend = self.enterContext(KeyServer())
        self.backend.keys = [self.first.jwk()]

    def serve(self, endpoint: str, **more) -> Server:
        token = {"jwks_public_endpoint": self.backend.url(endpoint), **more}
        return self.enterContext(Server({"client": {"token": token}, "http_api": {"key": "api-key"}}))

    def ask(self, server: Server, token: str) -> WebSocket:
        connection = WebSocket(server.port)
        self.addCleanup(connection.abort)
        connection.send(json.dumps({"id": 1, "connect": {"token": token}}).encode(), TEXT)
        return connection

    def connect(self, server: Server, token: str):
        answer = self.ask(server, token).receive(WAIT_SECONDS)
        return answer if isinstance(answer, Closed) else json.loads(answer)

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
