"""The servers that bench/run.py measures: how each is started for a row, and what the generator must know of it."""
import contextlib
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import time

from rows import TOKEN_SECRET

ROOT = pathlib.Path(__file__).resolve().parent.parent
API_KEY = "bench-api-key"
SPARE_DESCRIPTORS = 500


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pin(core):
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server:
    """A server under test. One descriptor table is all it has, unless it says otherwise."""

    def __init__(self, name, binary):
        self.name, self.binary = name, str(binary)

    def suits(self, row):
        return row.connections + SPARE_DESCRIPTORS <= resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def command(self, row, port, folder):
        raise NotImplementedError

    def environment(self, row):
        return {}

    def load(self, row):
        return row.load

    def load_flags(self, row):
        return ["--api-key", API_KEY]

    def start(self, row, folder, core):
        port = free_port()
        with open(folder / f"{self.name}.log", "ab") as log:
            process = subprocess.Popen(
                self.command(row, port, folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env=os.environ | self.environment(row), preexec_fn=pin(core if row.shards == 1 else None))
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return process, port
            if process.poll() is not None:
                break
            time.sleep(0.02)
        stop(process)
        raise RuntimeError(f"{self.name} does not start:\n" + (folder / f"{self.name}.log").read_text()[-2000:])


class Floor(Server):
    def suits(self, row):
        return row.floor is not None and super().suits(row)

    def command(self, row, port, folder):
        return [self.binary, "--port", str(port), *row.floor.split()]

    def load(self, row):
        return row.floor_load or row.load

    def load_flags(self, row):
        return ["--raw"]


class Centrifuge(Server):
    """Any server that reads a Centrifugo configuration: the peer, and Centrifugo itself."""

    def command(self, row, port, folder):
        permissions = {f"allow_{what}_for_{whom}": True for what in ("subscribe", "publish")
                       for whom in ("client", "anonymous")}
        history = {"history_size": 200, "history_ttl": "300s", "force_recovery": True}
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps({
            "http_server": {"address": "127.0.0.1", "port": str(port)},
            "log": {"level": "error"},
            "http_api": {"key": API_KEY},
            "client": {
                "allow_anonymous_connect_without_token": True,
                "token": {"hmac_secret_key": TOKEN_SECRET},
            },
            "channel": {
                "without_namespace": permissions,
                "namespaces": [{"name": "hist", **permissions, **history},
                               {"name": "delta", **permissions, **history, "delta_publish": True,
                                "allowed_delta_types": ["fossil"]},
                               {"name": "filter", **permissions, "allow_tags_filter": True},
                               {"name": "present", **permissions, "presence": True},
                               {"name": "told", **permissions, "presence": True, "join_leave": True,
                                "force_push_join_leave": True}],
            },
        }, indent=2))
        return [self.binary, "-c", str(path)]


class Gyre(Centrifuge):
    def suits(self, row):
        return row.own_tables or super().suits(row)

    def environment(self, row):
        tables = {"GYRE_DESCRIPTOR_TABLES": "per_shard"} if row.own_tables else {}
        return {"GYRE_SHARDS": str(row.shards), **tables}


def build_peer(build):
    """The peer's binary, or why there is none."""
    go = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
    if go is None:
        return None, "Go is not installed"
    binary = build.resolve() / "gyre_bench_peer"
    built = subprocess.run([go, "build", "-o", str(binary), "."], cwd=ROOT / "bench" / "peer", capture_output=True,
                           text=True)
    if built.returncode != 0:
        return None, f"`go build` fails: {(built.stderr.strip().splitlines() or ['it says nothing'])[-1]}"
    return binary, None


def pick_servers(options):
    servers = []
    gyre = options.gyre or options.build / "gyre"
    if gyre.exists():
        servers.append(Gyre("gyre", gyre.resolve()))
    else:
        print(f"{gyre} does not exist: only the others are measured")
    servers.append(Floor("floor", (options.build / "gyre_bench_floor").resolve()))
    peer, reason = (options.peer, None) if options.peer else (None, "--no-peer")
    if not options.peer and not options.no_peer:
        peer, reason = build_peer(options.build)
    if peer:
        servers.append(Centrifuge("peer", peer.resolve()))
    else:
        print(f"the peer's column is missing: {reason}")
    return servers
