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
            {"name": "vault", "presence": True, "join_leave": True, "history_size": 10, "history_ttl": "5m"},
            {"name": "text", **OPEN, "publication_data_format": "json"},
            {"name": "raw", **OPEN, "publication_data_format": "binary"},
        ],
    },
}
# What other configuration a scenario needs, by its name, which is the same for all SDKs.
CAPABILITIES = {"gyre": {"capabilities": {"enabled": True}}}
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
    "is_kept_by_a_backend": CAPABILITIES,
    "asks_a_backend_for_channels_and_calls": CAPABILITIES | {"client": {"expired_sub_close_delay": "100ms"}},
    "is_known_by_tokens_of_several_providers": {"gyre": {
        "connections": {"enabled": True},
        "token": {"rsa_pss": True, "meta_from_claim": {
            "role": "user.role", "groups": r"https://example\.com/groups"}}}},
    "is_shut_out_by_the_server": {"gyre": {"moderation": {"enabled": True}}},
    "says_that_it_is_active": {"gyre": {"user_status": {"enabled": True}}},
    "is_listed_with_what_it_does": {"gyre": {"connections": {"enabled": True}}},
    "does_what_its_token_allows": CAPABILITIES,
    "finds_namespaces_by_the_shape_of_channels": {"gyre": {"channel_patterns": [
        {"pattern": "/rooms/:id", "namespace": "lobby"}, {"pattern": "/boxes/:owner/:id", "namespace": "objects"},
        {"pattern": "feed.*", "namespace": "closed"}]}},
    "is_slowed_down_when_it_hurries": {"gyre": {"rate_limits": {
        "client": {"publish": {"rate": 1, "interval": "12h", "burst": 2}, "subscribe": {"rate": 3, "burst": 1}},
        "user": {"history": {"rate": 2, "interval": "12h"}}}}},
    "is_held_to_its_limits": {"client": {"channel_limit": 3, "user_connection_limit": 2},
                              "websocket": {"message_size_limit": 2000}},
}
# Scenarios whose backend is asked, over these protocols each.
OVER = {
    "is_let_in_by_a_backend": ("http", "grpc"),
    "is_kept_by_a_backend": ("http", "grpc"),
    "asks_a_backend_for_channels_and_calls": ("http", "grpc"),
    "has_a_stream_of_its_own": ("grpc",),
}
# Scenarios whose tokens come from providers with key sets.
OF_PROVIDERS = ("is_known_by_tokens_of_several_providers",)


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


def cases(names) -> list[tuple[str, str, str]]:
    """Each scenario in each format, and over each protocol of proxies if it has a backend."""
    return [
        (name, format, over)
        for name in names
        for format in FORMATS
        if format == "protobuf" or name not in ONLY_PROTOBUF
        for over in OVER.get(name, ("",))
    ]


def label(case: tuple) -> str:
    """What tells a test of a scenario from the others."""
    return "-".join(filter(None, case))


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

    def __init__(self, server: servers.Server, relay, desk=None, providers=None):
        self._server = server
        self._actions = {
            "api": lambda method, request: server.api(method, request, API_KEY),
            "asked": lambda event: desk.asked(event),
            "down": relay.down,
            "forwarded": relay.forwarded,
            "restart": server.restart,
            "signed": lambda name, claims: providers.token(name, **claims),
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
