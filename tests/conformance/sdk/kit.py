"""What the tests of every SDK share: the configuration, tokens, and the scenarios that are programs of their own."""

import base64
import contextlib
import hashlib
import hmac
import json
import pathlib
import re
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
FORMATS = ("json", "protobuf")
ONLY_PROTOBUF = ("carries_bytes", "hears_channels_by_number_in_protobuf")

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
LIVE = OPEN | {"force_recovery": False, "allow_history_for_subscriber": False}
DELTA = {"allowed_delta_types": ["fossil"], "delta_publish": True}
CONFIG = {
    "client": {
        "allow_anonymous_connect_without_token": True,
        "token": {"hmac_secret_key": SECRET},
        # Short enough that a test sees whether a refresh was believed: what is not refreshed is closed. Long enough
        # for an SDK that waits for all the seconds that it was told, of which a part was over by then.
        "expired_close_delay": "3s",
        "expired_sub_close_delay": "3s",
        "presence_update_interval": "500ms",
    },
    "http_api": {"key": API_KEY},
    "channel": {
        "without_namespace": OPEN,
        "namespaces": [
            {"name": "short", **OPEN, "history_size": 2},
            {"name": "plain", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
            {"name": "closed", "presence": True},
            {"name": "members", "allow_subscribe_for_client": True},
            {"name": "users", "allow_user_limited_channels": True},
            {"name": "own", "presence": True},
            {"name": "lobby", **OPEN, "join_leave": True, "force_push_join_leave": True},
            {"name": "hall", **OPEN, "join_leave": True},
            {"name": "objects", "allow_publish_for_client": True, "publication_data_format": "json_object",
             "history_size": 10, "history_ttl": "5m"},
            {"name": "tagged", **OPEN, "allow_tags_filter": True},
            {"name": "asked", **LIVE, "allow_positioning": True, "allow_recovery": True},
            {"name": "fleeting", **OPEN, "history_ttl": "1s", "history_meta_ttl": "1s"},
            {"name": "cache", **OPEN, "force_recovery_mode": "cache"},
            {"name": "newest", **OPEN, "force_recovery_mode": "cache", "auto_cache_recover": True},
            {"name": "delta", **OPEN, **DELTA},
            {"name": "live", **LIVE, **DELTA, "force_positioning": True},
        ],
    },
}
# What other configuration a scenario needs, by its name, which is the same for all SDKs.
CHECKS_POSITIONS = {"client": {"channel_position_check_delay": "500ms"}}
SETTINGS = {
    "is_refused_without_credentials": {"client": {"allow_anonymous_connect_without_token": False}},
    "is_told_that_its_stream_is_another": CHECKS_POSITIONS,
    "reconnects_when_the_stream_of_the_servers_subscription_is_another": CHECKS_POSITIONS,
    "keeps_one_connection_of_a_user": {"client": {"subscribe_to_user_personal_channel": {
        "enabled": True, "personal_channel_namespace": "own", "single_connection": True}}},
    "calls_the_method_ping": {"rpc": {"ping": {"enabled": True}}},
    "hears_channels_by_number": {"gyre": {"channel_compaction": {"enabled": True}}},
    "hears_channels_by_number_in_protobuf": {"gyre": {"channel_compaction": {
        "enabled": True, "encodings": ["json", "protobuf"]}}},
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


def in_formats(names) -> list[tuple[str, str]]:
    return [(name, format) for name in names for format in FORMATS if format == "protobuf" or name not in ONLY_PROTOBUF]


def stories(source: pathlib.Path, beginning: str) -> list[str]:
    """The names of the scenarios in a file; each begins a line like this."""
    return re.findall(f"^{beginning}", source.read_text(), re.M)


def snake(name: str) -> str:
    """The name of a scenario as all SDKs know it, from the name of a Go method."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Scenario:
    """A function of js/ in Node, or a method of go/, in a process of its own, beside a server and a relay.

    The process asks for what only this side can do, one JSON object on a line of its standard output, and reads the
    answer from its standard input.
    """

    def __init__(self, server: servers.Server, relay):
        self._server = server
        self._actions = {
            "api": lambda method, request: server.api(method, request, API_KEY),
            "down": relay.down,
            "forwarded": relay.forwarded,
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

    def play_node(self, script: str, name: str, **facts) -> None:
        modules = environments.npm(HERE)
        command = [str(environments.node() / "node"), str(HERE / "js" / script), name]
        self._play(command, name, {"modules": str(modules), **facts})

    def play_go(self, name: str, **facts) -> None:
        self._play([str(environments.go(HERE / "go")), name], name, facts)

    def _play(self, command: list[str], name: str, facts: dict) -> None:
        """Runs the scenario to its end; what it says on standard error is why it failed."""
        variables = environments.environment() | {"GYRE_SCENARIO": json.dumps({**self._facts, **facts})}
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
