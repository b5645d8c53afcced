"""Starts the server under test: one process, its own port, its own folder, stopped and checked at the end."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("GYRE_BINARY", ROOT / "build" / "release" / "gyre"))
START_SECONDS = 20
STOP_SECONDS = 20
SANITIZER_REPORT = re.compile(r"(?:ERROR|WARNING): \w+Sanitizer|: runtime error: ")
POLL_SECONDS = 0.01


def sanitizers() -> set[str]:
    """Which the program has been built with: "asan", "tsan"."""
    program = BINARY.read_bytes()
    return {name for name in ("asan", "tsan") if f"__{name}_init".encode() in program}


def reserved_port() -> socket.socket:
    """A port that nobody else gets while this socket is open: only who asks for it by number may listen there."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def free_port() -> int:
    with contextlib.closing(reserved_port()) as holder:
        return holder.getsockname()[1]


def merged(base: dict, over: dict) -> dict:
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def launch(config: dict, folder: pathlib.Path, log, environment: dict | None = None) -> subprocess.Popen:
    """The program with this configuration, in this folder. `log` gets what it prints."""
    path = folder / "config.json"
    path.write_text(json.dumps(config, ensure_ascii=False))
    return subprocess.Popen(
        [str(BINARY), "-c", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "GYRE_BINARY"} | (environment or {}),
    )


class Server:
    """One server process. `port` stays the same over a restart; /health is asked for at `health_port`, if not there."""

    def __init__(self, config: dict, environment: dict | None = None, health_port: int | None = None):
        self.reservation = reserved_port()
        self.port = self.reservation.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory(prefix="gyre-")
        self.log_path = pathlib.Path(self.folder.name, "log")
        self.config_path = pathlib.Path(self.folder.name, "config.json")
        self.health_port = health_port or self.port
        self.environment = environment or {}
        listen = {"http_server": {"address": "127.0.0.1", "port": self.port}}
        defaults = {"health": {"enabled": True}, "log": {"level": "debug"}}
        self.config = merged(merged(defaults, config), listen)
        self.process: subprocess.Popen | None = None
        self.is_ending = False  # it has been asked to
        self.started = 0.0  # time.monotonic() of the latest start

    def __enter__(self) -> "Server":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def change(self, config: dict) -> None:
        """Another configuration: for the next start, or for a running server to reload."""
        self.config = merged(self.config, config)
        self.config_path.write_text(json.dumps(self.config, ensure_ascii=False))

    def start(self) -> None:
        self.started = time.monotonic()
        self.is_ending = False
        with self.log_path.open("ab") as log:
            folder = pathlib.Path(self.folder.name)
            self.process = launch(self.config, folder, log, self.environment)
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the server ended with {self.process.returncode} at start:\n{self.log()}"
                )
            if time.monotonic() > deadline:
                raise AssertionError(f"no health after {START_SECONDS} s:\n{self.log()}")
            time.sleep(POLL_SECONDS)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def terminate(self) -> None:
        assert self.process is not None
        self.is_ending = True
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Asks the server to end and returns its exit code. A sanitizer's report fails the test whatever the code."""
        assert self.process is not None
        if self.process.poll() is None and not self.is_ending:  # a second signal would end it at once
            self.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"SIGTERM did not end the server:\n{self.log()}") from None
        if SANITIZER_REPORT.search(self.log()):
            raise AssertionError(f"the server's exit code was {code}:\n{self.log()}")
        return code

    def restart(self) -> None:
        self._stop_cleanly()
        self.start()

    def _stop_cleanly(self) -> None:
        code = self.stop()
        if code != 0:
            raise AssertionError(f"the server's exit code was {code}:\n{self.log()}")

    def close(self) -> None:
        """Stops what still runs; a process that crashed or does not stop cleanly fails the test."""
        try:
            if self.process is not None:
                self._stop_cleanly()
        finally:
            self.process = None
            self.reservation.close()
            self.folder.cleanup()

    def request(self, method, path, body=None, headers=None):
        """One HTTP exchange: (status, headers with lower-case names, body as text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            payload = None if body is None else body.encode()
            if payload is not None:
                connection.putheader("Content-Length", str(len(payload)))
            connection.endheaders(payload)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, text
        finally:
            connection.close()

    def api(self, method: str, request: dict, key: str = "api-key") -> dict:
        status, _, text = self.request(
            "POST",
            f"/api/{method}",
            json.dumps(request, ensure_ascii=False),
            {"X-API-Key": key, "Content-Type": "application/json"},
        )
        assert status == 200, f"/api/{method}: HTTP {status} {text}"
        return json.loads(text)
