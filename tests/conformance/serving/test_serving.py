"""The program as who runs it meets it: how it starts, refuses to, takes a new configuration, and ends."""

import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import tempfile
import time
import unittest

from server import Server, free_port, launch, merged, reserved_port
from websocket import TEXT, Closed, WebSocket

SHUTDOWN = Closed(3001, "shutdown")
# Generous: a wait ends when its condition holds, and this is for a machine that does much else.
WAIT_SECONDS = 20
# So many connections that two shards have some each, but for one run in half a million.
CLIENTS = 20

OPEN = {
    "client": {"insecure": True, "allowed_origins": []},
    "http_api": {"key": "api-key"},
    "channel": {"namespaces": [{"name": "open"}]},
}


def command(connection: WebSocket, number: int, **request) -> dict:
    connection.send(json.dumps({"id": number, **request}).encode(), TEXT)
    answer = connection.receive(WAIT_SECONDS)
    assert isinstance(answer, bytes), answer
    return json.loads(answer)


def connected(server: Server) -> WebSocket:
    connection = WebSocket(server.port)
    reply = command(connection, 1, connect={})
    assert "connect" in reply, reply
    return connection


def log_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


class Serving(unittest.TestCase):
    maxDiff = None
    is_ordered = False  # each test has a server of its own

    def serve(self, changes: dict | None = None, environment: dict | None = None) -> Server:
        return self.enterContext(Server(merged(OPEN, changes or {}), environment))

    def wait_for(self, what: str, condition) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited in vain for {what}")
            time.sleep(0.01)

    def wait_for_log(self, server: Server, text: str, times: int = 1) -> None:
        self.wait_for(f"{text!r} in the log", lambda: server.log().count(text) >= times)

    def refusal(self, config: dict) -> list[dict]:
        """The log of a start that must end with 1 and one fatal line, the last."""
        with tempfile.TemporaryDirectory(prefix="gyre-") as folder, (pathlib.Path(folder) / "log").open("w+") as log:
            process = launch(config, pathlib.Path(folder), log)
            try:
                code = process.wait(WAIT_SECONDS)
            finally:
                process.kill()
                process.wait()
            log.seek(0)
            lines = log_lines(log.read())
        self.assertEqual(code, 1, lines)
        self.assertEqual([line["level"] for line in lines].index("fatal"), len(lines) - 1, lines)
        return lines

    def assert_publishes_to_all(self, server: Server) -> None:
        with contextlib.ExitStack() as ends:
            clients = [connected(server) for _ in range(CLIENTS)]
            for client in clients:
                ends.callback(client.abort)
                self.assertIn("subscribe", command(client, 2, subscribe={"channel": "open:all"}))
            server.api("publish", {"channel": "open:all", "data": {"n": 1}})
            for client in clients:
                push = json.loads(client.receive(WAIT_SECONDS))["push"]
                self.assertEqual((push["channel"], push["pub"]["data"]), ("open:all", {"n": 1}))

    def test_two_shards_share_a_port_and_a_channel(self):
        self.assert_publishes_to_all(self.serve({"gyre": {"shards": 2}}))

    def test_shards_with_descriptor_tables_of_their_own(self):
        # ThreadSanitizer takes descriptors of the same number in two tables for one.
        blind = {"TSAN_OPTIONS": "report_bugs=0"}
        server = self.serve({"gyre": {"shards": 2, "descriptor_tables": "per_shard"}}, blind)
        self.assert_publishes_to_all(server)

    def test_health_answers(self):
        server = self.serve()
        code, headers, body = server.request("GET", "/health")
        self.assertEqual((code, headers["content-type"], body), (200, "application/json", "{}"))

    def test_a_reload_brings_a_namespace_to_connections_that_are_there(self):
        server = self.serve()
        client = connected(server)
        self.addCleanup(client.abort)
        self.assertEqual(command(client, 2, subscribe={"channel": "new:1"})["error"]["code"], 102)
        server.change({"channel": {"namespaces": [{"name": "open"}, {"name": "new"}]}})
        server.process.send_signal(signal.SIGHUP)
        self.wait_for_log(server, "configuration successfully reloaded")
        self.wait_for("the new namespace",
                      lambda: "subscribe" in command(client, 3, subscribe={"channel": "new:1"}))

    def test_a_broken_file_leaves_the_configuration_as_it_was(self):
        server = self.serve()
        client = connected(server)
        self.addCleanup(client.abort)
        broken = ["{", json.dumps({"channel": {"namespaces": [{"name": "new", "history_size": 1}]}}), "{}", None]
        for times, text in enumerate(broken, 1):
            if text is None:
                server.config_path.unlink()
            else:
                server.config_path.write_text(text)
            server.process.send_signal(signal.SIGHUP)
            self.wait_for_log(server, "error reloading configuration", times)
        self.assertNotIn("successfully reloaded", server.log())
        self.assertIn("subscribe", command(client, 2, subscribe={"channel": "open:1"}))
        self.assertEqual(command(client, 3, subscribe={"channel": "new:1"})["error"]["code"], 102)

    def test_a_port_in_use_ends_the_start(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            lines = self.refusal(OPEN | {"http_server": {"address": "127.0.0.1", "port": port}})
        self.assertIn(f"127.0.0.1:{port}", lines[-1]["error"])

    def test_a_port_of_another_server_is_in_use_as_well(self):
        server = self.serve()
        lines = self.refusal(server.config)
        self.assertIn(f"127.0.0.1:{server.port}", lines[-1]["error"])

    def test_a_setting_without_its_feature_ends_the_start(self):
        listen = {"http_server": {"address": "127.0.0.1", "port": free_port()}}
        lines = self.refusal(OPEN | listen | {"sse": {"enabled": True}})
        self.assertIn("sse.enabled", lines[-1]["error"])

    def test_a_setting_without_its_feature_can_be_a_warning(self):
        server = self.serve({"sse": {"enabled": True}, "gyre": {"unavailable": "warn"}})
        warnings = [line["message"] for line in log_lines(server.log()) if line["level"] == "warn"]
        self.assertTrue(any("sse.enabled" in warning for warning in warnings), warnings)

    def test_an_end_tells_the_clients(self):
        server = self.serve()
        client = connected(server)
        server.terminate()
        self.assertEqual(client.receive(WAIT_SECONDS), SHUTDOWN)

    def test_an_interrupt_ends_it_as_well(self):
        server = self.serve()
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(WAIT_SECONDS), 0, server.log())
        self.assertIn("signal received: interrupt", server.log())

    def test_a_client_that_does_not_close_is_cut(self):
        server = self.serve({"shutdown": {"timeout": "10s"}})
        with self.mute(server):
            started = time.monotonic()
            self.assertEqual(server.stop(), 0, server.log())
            self.assertLess(time.monotonic() - started, 10)

    def test_a_shutdown_past_its_time_ends_with_1(self):
        pid_file = pathlib.Path(tempfile.mkdtemp(prefix="gyre-"), "pid")
        self.addCleanup(pid_file.parent.rmdir)
        server = self.serve({"shutdown": {"timeout": "1ms"}, "pid_file": str(pid_file)})
        with self.mute(server):
            self.assertEqual(server.stop(), 1, server.log())
        self.assertEqual(log_lines(server.log())[-1]["level"], "fatal")
        self.assertFalse(pid_file.exists())
        server.process = None  # it has ended as it should

    @contextlib.contextmanager
    def mute(self, server: Server):
        """A connection that never answers a close frame."""
        client = connected(server)
        self.assertIn("subscribe", command(client, 2, subscribe={"channel": "open:1"}))
        yield client
        client.abort()

    def test_a_pid_file_is_there_while_it_runs(self):
        server = self.serve({"pid_file": "pid"})
        pid_file = pathlib.Path(server.folder.name, "pid")
        self.assertEqual(pid_file.read_text(), f"{server.process.pid}\n")
        self.assertEqual(pid_file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(server.stop(), 0)
        self.assertFalse(pid_file.exists())

    def test_a_log_file_takes_all_lines(self):
        server = self.serve({"log": {"file": "lines"}})
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.log(), "")
        lines = log_lines(pathlib.Path(server.folder.name, "lines").read_text())
        self.assertIn("starting Centrifugo", [line.get("message") for line in lines])
        self.assertEqual(lines[-1]["message"], "shutting down ...")

    def test_an_internal_port_separates_endpoints(self):
        with contextlib.closing(reserved_port()) as reservation:
            internal = reservation.getsockname()[1]
            server = Server(OPEN | {"prometheus": {"enabled": True}}, health_port=internal)
            server.change({"http_server": {"internal_port": str(internal)}})
            with server:
                for path, inside, outside in (("/health", 200, 404), ("/metrics", 200, 404),
                                              ("/api/info", 405, 404), ("/connection/websocket", 404, 400)):
                    self.assertEqual((status(internal, path), status(server.port, path)), (inside, outside), path)
                connected(server).close()
                served = dict(re.findall(r"serving ([a-z, ]+) endpoints on 127\.0\.0\.1:(\d+)", server.log()))
        self.assertEqual(served, {"websocket": str(server.port), "api, prometheus, health": str(internal)})


if __name__ == "__main__":
    unittest.main()
