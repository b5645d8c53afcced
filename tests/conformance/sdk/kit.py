"""What the tests of every SDK share: the configuration, tokens, and the scenarios that run in Node."""

import base64
import contextlib
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent / "lib"), str(ROOT / "tools")]

import environments  # noqa: E402
import server as servers  # noqa: E402

SECRET = "a secret of the tests"
API_KEY = "api-key"
# Generous: a wait ends when its condition holds, and this is for a machine that does much else.
WAIT_SECONDS = 30
SCENARIO_SECONDS = 120

# Everything is allowed in an ordinary channel, also to anonymous users; nothing in a closed one.
OPEN = {
    "allow_subscribe_for_client": True,
    "allow_subscribe_for_anonymous": True,
    "allow_publish_for_subscriber": True,
    "allow_publish_for_anonymous": True,
    "allow_history_for_subscriber": True,
    "allow_history_for_anonymous": True,
    "allow_presence_for_subscriber": True,
    "allow_presence_for_anonymous": True,
    "presence": True,
    "history_size": 300,
    "history_ttl": "5m",
    "force_recovery": True,
}
CONFIG = {
    "client": {
        "allow_anonymous_connect_without_token": True,
        "token": {"hmac_secret_key": SECRET},
        # Short enough that a test sees whether a refresh was believed: what is not refreshed is closed.
        "expired_close_delay": "1s",
    },
    "http_api": {"key": API_KEY},
    "channel": {
        "without_namespace": OPEN,
        "namespaces": [
            {"name": "short", **OPEN, "history_size": 2},
            {"name": "plain", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
            {"name": "closed", "presence": True},
        ],
    },
}


def config(changes: dict | None = None) -> dict:
    return servers.merged(CONFIG, changes or {})


def token(lifetime: int | None = None, **claims) -> str:
    """A signed token. `lifetime` in seconds from now, also a negative one; without it the token does not expire."""
    if lifetime is not None:
        claims["exp"] = int(time.time()) + lifetime
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
    return b".".join([signed, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


class Scenario:
    """A function of js/scenarios.mjs or js/demo.mjs in a Node process of its own, beside a server and a relay.

    The script asks for what only this side can do, one JSON object on a line of its standard output, and reads the
    answer from its standard input.
    """

    def __init__(self, server: servers.Server, relay):
        self._server = server
        self._actions = {
            "api": lambda method, request: server.api(method, request, API_KEY),
            "down": relay.down,
            "restart": server.restart,
            "token": lambda claims, lifetime=None: token(lifetime, **claims),
            "up": relay.up,
        }
        self._facts = {
            "page": server.url,
            "url": server.websocket_url,
            "relay": f"ws://127.0.0.1:{relay.port}/connection/websocket",
            "wait": WAIT_SECONDS * 1000,
        }

    def play(self, script: str, name: str, **facts) -> None:
        """Runs the scenario to its end; what it says on standard error is why it failed."""
        modules = environments.npm(HERE)
        command = [str(environments.node() / "node"), str(HERE / "js" / script), name]
        variables = environments.environment() | {"GYRE_SCENARIO": json.dumps(
            {**self._facts, "modules": str(modules), **facts})}
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=said, text=True)
            end = threading.Timer(SCENARIO_SECONDS, process.kill)
            end.start()
            try:
                with contextlib.suppress(BrokenPipeError):
                    for line in process.stdout:
                        process.stdin.write(json.dumps(self._answer(json.loads(line))) + "\n")
                        process.stdin.flush()
                code = process.wait()
            finally:
                end.cancel()
                process.kill()
                process.wait()
                process.stdout.close()
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            said.seek(0)
            if code != 0:
                raise AssertionError(f"{name} ended with {code}:\n{said.read()[-8000:]}")

    def _answer(self, question: dict) -> dict:
        try:
            return {"id": question["id"], "result": self._actions[question["do"]](*question["with"])}
        except Exception as failure:  # the scenario reports it, with its own place
            return {"id": question["id"], "error": f"{type(failure).__name__}: {failure}"}
