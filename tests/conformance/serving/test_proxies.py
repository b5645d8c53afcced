"""Backends that do not behave: whatever they do, the client gets its answer and nobody else waits for it."""

import base64
import json
import pathlib
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from backend import Backend, Reply, result
from server import Server, free_port
from websocket import TEXT, Closed, WebSocket

WAIT_SECONDS = 20
FAILED = {"code": 100, "message": "internal server error", "temporary": True}
MEBIBYTE = 1 << 20


class Certificate:
    """One that has signed itself, for 127.0.0.1, made by the openssl program."""

    def __init__(self, folder: pathlib.Path, name: str):
        self.file, self.key_file = folder / f"{name}.pem", folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", self.key_file, "-out", self.file, "-days", "2", "-subj", f"/CN={name}"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run(command, check=True, capture_output=True)


class Proxies(unittest.TestCase):
    is_ordered = False

    def setUp(self):
        self.released = threading.Event()
        self.addCleanup(self.released.set)
        self.backend = self.enterContext(Backend(lambda call: self.answer(call)))

    def answer(self, call):
        return result(user="ann") if call.event == "connect" else result(data={"path": call.path})

    def serve(self, timeout: str = "20s", endpoint: str = "", **more) -> Server:
        rpc = {"proxy": {"endpoint": endpoint or self.backend.url("rpc"), "timeout": timeout}}
        rpc["without_namespace"] = {"proxy_enabled": True}
        config = {"client": {"allow_anonymous_connect_without_token": True}, "rpc": rpc, "gyre": {"shards": 2}}
        return self.enterContext(Server(config | {"prometheus": {"enabled": True}} | more))

    def connect(self, server: Server) -> WebSocket:
        connection = WebSocket(server.port)
        self.addCleanup(connection.abort)
        self.assertIn("connect", self.say(connection, {"id": 1, "connect": {}}))
        return connection

    def send(self, connection: WebSocket, command: dict) -> None:
        connection.send(json.dumps(command).encode(), TEXT)

    def hear(self, connection: WebSocket):
        answer = connection.receive(WAIT_SECONDS)
        return answer if answer is None or isinstance(answer, Closed) else json.loads(answer)

    def say(self, connection: WebSocket, command: dict):
        self.send(connection, command)
        return self.hear(connection)

    def call(self, server: Server, method: str = "m"):
        return self.say(self.connect(server), {"id": 2, "rpc": {"method": method}})

    def metric(self, server: Server, name: str) -> str:
        _, _, text = server.request("GET", "/metrics")
        return next(line.split(" ")[-1] for line in text.splitlines() if line.startswith(name))

    def test_a_backend_that_hangs_costs_its_timeout_and_holds_up_nobody(self):
        def answer(call):
            if call.body.get("method") == "slow":
                self.released.wait(WAIT_SECONDS)
            return result(data=1)

        self.answer = answer
        server = self.serve(timeout="2s")
        waiting = self.connect(server)
        self.send(waiting, {"id": 2, "rpc": {"method": "slow"}})
        self.backend.wait_for(1)
        self.assertEqual(self.metric(server, "centrifugo_proxy_inflight_requests"), "1")
        for _ in range(4):
            self.assertEqual(self.call(server), {"id": 2, "rpc": {"data": 1}})
        self.assertEqual(self.hear(waiting), {"id": 2, "error": FAILED})
        self.assertEqual(self.metric(server, "centrifugo_proxy_errors"), "1")
        self.assertEqual(self.say(waiting, {"id": 3, "rpc": {"method": "m"}}), {"id": 3, "rpc": {"data": 1}})

    def test_an_answer_that_drips_is_over_with_the_timeout(self):
        def drip(handler):
            while not self.released.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()

        self.answer = lambda call: Reply(b" " * MEBIBYTE, write=drip)
        self.assertEqual(self.call(self.serve(timeout="1s")), {"id": 2, "error": FAILED})

    def test_a_backend_that_is_not_there_is_a_failed_call(self):
        server = self.serve(endpoint=f"http://127.0.0.1:{free_port()}/rpc")
        self.assertEqual(self.call(server), {"id": 2, "error": FAILED})

    def test_a_backend_that_dies_meanwhile_is_a_failed_call(self):
        def hang_up(handler):
            handler.wfile.write(b'{"res')
            handler.close_connection = True

        self.answer = lambda call: Reply(b" " * 100, write=hang_up)
        self.assertEqual(self.call(self.serve()), {"id": 2, "error": FAILED})

    def test_garbage_is_a_failed_call(self):
        garbage = [
            b"",
            b"oops",
            b"[]",
            b'{"result":',
            b'{"result":{"data":{"a":01}}}',
            b'{"result":{"b64data":"*"}}',
            b"\xff\xfe",
            b'{"error":{"code":-1}}',
        ]
        bodies = iter(garbage)
        self.answer = lambda call: Reply(next(bodies))
        server = self.serve()
        connection = self.connect(server)
        for number in range(len(garbage)):
            answer = self.say(connection, {"id": number + 2, "rpc": {"method": "m"}})
            self.assertEqual(answer, {"id": number + 2, "error": FAILED}, garbage[number])

    def test_a_huge_answer_is_cut_off(self):
        self.answer = lambda call: result(data="x" * (3 * MEBIBYTE))
        server = self.serve(gyre={"outbound": {"max_response_size": MEBIBYTE}})
        self.assertEqual(self.call(server), {"id": 2, "error": FAILED})
        self.answer = lambda call: result(data="x" * (MEBIBYTE // 2))
        self.assertIn("rpc", self.call(server))

    def test_redirects_are_followed_so_far(self):
        def answer(call):
            if call.path == "/rpc":
                return Reply(b"", 307, {"Location": self.backend.url("moved")})
            return result(data=call.method) if call.path == "/moved" else Reply()

        self.answer = answer
        server = self.serve()
        self.assertEqual(self.call(server), {"id": 2, "rpc": {"data": "POST"}})
        self.answer = lambda call: Reply(b"", 307, {"Location": self.backend.url("rpc")})
        self.assertEqual(self.call(server), {"id": 2, "error": FAILED})
        self.answer = lambda call: Reply(b"", 302, {"Location": "file:///etc/passwd"})
        self.assertEqual(self.call(server), {"id": 2, "error": FAILED})

    def test_no_more_is_asked_at_once_than_may_be(self):
        self.answer = lambda call: self.released.wait(WAIT_SECONDS) and result(data=1)
        server = self.serve(gyre={"shards": 2, "outbound": {"max_requests": 3}})
        waiting = [self.connect(server) for _ in range(3)]
        for connection in waiting:
            self.send(connection, {"id": 2, "rpc": {"method": "m"}})
        self.backend.wait_for(3)
        self.assertEqual(self.call(server), {"id": 2, "error": FAILED})
        self.assertEqual(self.metric(server, "gyre_outbound_requests"), "3")
        self.assertEqual(self.metric(server, "gyre_outbound_refused_requests_total"), "1")
        self.released.set()
        for connection in waiting:
            self.assertEqual(self.hear(connection), {"id": 2, "rpc": {"data": 1}})
        self.assertLessEqual(float(self.metric(server, "gyre_outbound_connections")), 3)

    def test_the_end_of_the_server_waits_for_what_was_asked(self):
        self.answer = lambda call: self.released.wait(WAIT_SECONDS) and result(data=1)
        server = self.serve()
        connection = self.connect(server)
        self.send(connection, {"id": 2, "rpc": {"method": "m"}})
        self.backend.wait_for(1)
        server.terminate()
        self.assertEqual(self.hear(connection), Closed(3001, "shutdown"))
        connection.close()
        self.released.set()
        self.assertEqual(server.stop(), 0)

    def test_a_client_that_leaves_meanwhile_is_forgotten(self):
        self.answer = lambda call: self.released.wait(WAIT_SECONDS) and result(user="ann", channels=["news"])
        proxy = {"connect": {"enabled": True, "endpoint": self.backend.url("connect"), "timeout": "20s"}}
        server = self.serve(client={"proxy": proxy}, http_api={"key": "api-key"})
        connection = WebSocket(server.port)
        self.send(connection, {"id": 1, "connect": {}})
        self.backend.wait_for(1)
        connection.abort()
        self.released.set()
        deadline = time.monotonic() + WAIT_SECONDS
        while float(self.metric(server, "gyre_outbound_requests")) > 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.assertEqual(server.api("channels", {})["result"]["channels"], {})

    def test_both_sides_show_certificates(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        ours, theirs, strange = (Certificate(folder, name) for name in ("ours", "theirs", "strange"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(theirs.file, theirs.key_file)
        context.load_verify_locations(ours.file)
        context.verify_mode = ssl.CERT_REQUIRED
        backend = self.enterContext(Backend(lambda call: result(data=1), context))
        text = ours.key_file.read_text()
        trusting = {"enabled": True, "server_ca_pem": str(theirs.file)}
        shown = {"cert_pem": str(ours.file), "key_pem": base64.b64encode(text.encode()).decode()}
        cases = [
            (trusting | shown, {"id": 2, "rpc": {"data": 1}}),
            (trusting, {"id": 2, "error": FAILED}),
            (trusting | shown | {"server_ca_pem": str(strange.file)}, {"id": 2, "error": FAILED}),
            (trusting | shown | {"server_name": "elsewhere"}, {"id": 2, "error": FAILED}),
            ({"enabled": True, "insecure_skip_verify": True} | shown, {"id": 2, "rpc": {"data": 1}}),
            ({"enabled": False}, {"id": 2, "error": FAILED}),
        ]
        for tls, expected in cases:
            proxy = {"endpoint": backend.url("rpc"), "timeout": "20s", "http": {"tls": tls}}
            rpc = {"proxy": proxy, "without_namespace": {"proxy_enabled": True}}
            self.assertEqual(self.call(self.serve(rpc=rpc)), expected, tls)

    def test_what_is_refused_at_start_is_named(self):
        broken = {
            "in rpc.proxy: endpoint must be set": {"endpoint": ""},
            "rpc.proxy.grpc.tls.server_ca_pem": {
                "endpoint": "grpc://127.0.0.1:1", "grpc": {"tls": {"enabled": True, "server_ca_pem": "no.pem"}}},
            "rpc.proxy.http.static_headers": {"http": {"static_headers": {"bad name": "x"}}},
            "rpc.proxy.http.tls.server_ca_pem": {"http": {"tls": {"enabled": True, "server_ca_pem": "no.pem"}}},
        }
        for told, change in broken.items():
            proxy = {"endpoint": self.backend.url("rpc")} | change
            rpc = {"proxy": proxy, "without_namespace": {"proxy_enabled": True}}
            with self.assertRaises(AssertionError) as refused, Server({"rpc": rpc}):
                pass
            self.assertIn(told, str(refused.exception))
