#!/usr/bin/env python3
"""Measures Gyre beside the floor (and another server, if asked), in turn, and prints one table.

The same binary may cost twice as much a minute later on a shared machine. So every row runs its servers in turn,
round after round, takes the best round of each, and only the ratio of two bests means something.
docs/benchmarks.md explains the rows. Needs only the standard library.
"""
import argparse
import contextlib
import dataclasses
import fnmatch
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
API_KEY = "bench-api-key"
TOKEN_SECRET = "bench-token-secret"
NAME_SIZE = 24  # of numbered channels, as gyre_bench_load writes them
BUSY = 0.3  # other work on the machine, in cores, from which on a figure is marked


@dataclasses.dataclass
class Row:
    """One line of the table: what gyre_bench_load does, which figure counts, and what the servers need for it."""

    name: str
    load: str  # mode and flags
    figure: str  # key of the report; less is better
    unit: str
    shards: int = 1
    floor: str | None = ""  # further flags of the floor; None if it cannot do this
    rounds: int | None = None  # instead of the default
    fresh: bool = False  # a new server process each round: memory is measured by growth
    own_tables: bool = False  # a descriptor table per shard: more connections than one holds
    short: bool = False  # part of the short series
    also: tuple = ()  # further figures of the best round, for the remark


def rows():
    tokens = f"--token-secret {TOKEN_SECRET}"
    memory = dict(figure="bytes_per_connection", unit="B", rounds=2, fresh=True)
    fanout = dict(figure="cpu_us_per_delivery", unit="µs", also=("to_all_p50_us", "deliveries_per_s"))
    paced = dict(figure="cpu_us_per_publication", unit="µs",
                 also=("latency_p50_us", "latency_p99_us", "latency_p999_us"))
    api = dict(figure="cpu_us_per_publication", unit="µs", also=("publications_per_s",))
    storm = dict(figure="cpu_us_per_connection", unit="µs", also=("connections_per_s",))
    one = f"--each 1 --channel {'c' * NAME_SIZE}"
    return [
        Row("memory-18k", "idle --connections 18000", short=True, **memory),
        Row("memory-18k-users", f"idle --connections 18000 {tokens}", short=True, **memory | {"floor": None}),
        Row("memory-18k-own-channel", "idle --connections 18000 --own-channels", **memory | {"floor": None}),
        Row("memory-18k-own-8-channels", "idle --connections 18000 --own-channels --subscriptions 8",
            **memory | {"floor": None}),
        Row("memory-100k", "idle --connections 100000", shards=6, own_tables=True, **memory | {"floor": None}),
        Row("idle-cpu-18k", "idle --connections 18000 --cpu-seconds 60", "idle_cpu_us_per_s", "µs/s", floor=None,
            rounds=1, fresh=True),
        Row("fanout-1k-w1", "fanout --connections 1000 --window 1", short=True, **fanout),
        Row("fanout-1k-w16", "fanout --connections 1000 --window 16", short=True, **fanout),
        Row("fanout-1k-w1-protobuf", "fanout --connections 1000 --window 1 --protocol protobuf",
            **fanout | {"floor": None}),
        Row("fanout-1k-w1-two-shards", "fanout --connections 1000 --window 1", shards=2, **fanout),
        Row("fanout-10k-w1", "fanout --connections 10000 --window 1", **fanout),
        Row("fanout-10k-w8", "fanout --connections 10000 --window 8", **fanout),
        Row("fanout-1-w1", "fanout --connections 1 --window 1", **fanout),
        Row("channels-10k-x1", "channels --channels 10000 --connections 10000 --rate 8000", short=True, floor=one,
            **paced),
        Row("channels-10k-x1-two-shards", "channels --channels 10000 --connections 10000 --rate 8000", shards=2,
            short=True, floor=one, **paced),
        Row("channels-1k-x10", "channels --channels 1000 --connections 10000 --rate 4000",
            floor=one.replace("each 1", "each 10"), **paced),
        Row("api", "api --publishers 16", **api),
        Row("api-batch-100", "api --publishers 16 --batch 100", **api | {"floor": None}),
        Row("api-broadcast-100", "api --publishers 16 --broadcast 100 --channels 100", **api | {"floor": None}),
        Row("api-history", "api --publishers 16 --channel hist:bench", **api | {"floor": None}),
        Row("connect", "connect", **storm),
        Row("connect-token", f"connect {tokens}", **storm),
        Row("recover-10", "recover --channel hist:bench --missed 10", **storm | {"floor": None}),
        Row("recover-50", "recover --channel hist:bench --missed 50", **storm | {"floor": None}),
    ]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server under test: a name, how it is started for a row, and what the generator must know about it."""

    def __init__(self, name, binary):
        self.name, self.binary = name, str(binary)

    def suits(self, row):
        return True

    def command(self, row, port, folder):
        raise NotImplementedError

    def environment(self, row):
        return {}

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
        return row.floor is not None

    def command(self, row, port, folder):
        return [self.binary, "--port", str(port), *row.floor.split()]

    def load_flags(self, row):
        return ["--raw"]


class Centrifuge(Server):
    """Any server that reads a Centrifugo configuration: Gyre, and the peer it is compared with."""

    def command(self, row, port, folder):
        permissions = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
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
                "namespaces": [{"name": "hist", **permissions, **history}],
            },
        }, indent=2))
        return [self.binary, "-c", str(path)]

    def environment(self, row):
        tables = {"GYRE_DESCRIPTOR_TABLES": "per_shard"} if row.own_tables else {}
        return {"GYRE_SHARDS": str(row.shards), **tables}


def pin(core):
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_load(options, server, row, process, port):
    command = [str(options.build / "gyre_bench_load"), *row.load.split(), *server.load_flags(row), "--server",
               f"127.0.0.1:{port}", "--pid", str(process.pid), "--label", row.name]
    if row.load.split()[0] != "idle":
        command += ["--duration", str(options.duration)]
    if options.verify and row.load.split()[0] in ("fanout", "channels") and "--raw" not in command:
        command.append("--verify")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300,
                          preexec_fn=pin(1 if options.pin and row.shards == 1 else None))
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    report = json.loads(done.stdout)
    wrong = {key: report[key] for key in ("missing", "excess", "lost", "duplicate", "reordered", "diverged",
                                          "unreadable") if report.get(key)}
    if wrong:
        raise RuntimeError(f"deliveries are wrong: {wrong}")
    return report


def speed_ns():
    """A fixed piece of work, to see which of its speeds the machine is in."""
    start = time.perf_counter()
    sum(range(300_000))
    return (time.perf_counter() - start) / 300_000 * 1e9


def run_row(options, servers, row, folder, save):
    """The reports of each server that suits, by name; a server that fails has the error instead."""
    reports, running = {}, {}
    core = 0 if options.pin else None
    try:
        for _ in range(row.rounds or options.rounds):
            for server in servers:
                if not server.suits(row) or isinstance(reports.get(server.name), Exception):
                    continue
                try:
                    if server.name not in running:
                        running[server.name] = server.start(row, folder, core)
                    speed = speed_ns()
                    report = run_load(options, server, row, *running[server.name])
                    report |= {"server": server.name, "speed_ns": round(speed, 2), "shards": row.shards}
                    reports.setdefault(server.name, []).append(report)
                    save(report)
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    reports[server.name] = error
                if row.fresh and server.name in running:
                    stop(running.pop(server.name)[0])
    finally:
        for process, _ in running.values():
            stop(process)
    return reports


def shown(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def summary(row, reports):
    if isinstance(reports, Exception):
        return None, "failed", None
    if not reports:
        return None, "-", None
    values = [report[row.figure] for report in reports]
    best = min(reports, key=lambda report: report[row.figure])
    return min(values), f"{shown(min(values))} ({shown(statistics.median(values))})", best


def remark(row, best):
    if best is None:
        return ""
    parts = [f"{key.removesuffix('_us').replace('_', ' ')} {shown(best[key])}" + ("µs" if key.endswith("_us") else "")
             for key in row.also if key in best]
    if best.get("other_busy_cores", 0) > BUSY:
        parts.append(f"DISTURBED by {best['other_busy_cores']:.1f} cores")
    return ", ".join(parts)


def print_line(cells, widths):
    print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, widths)).rstrip(), flush=True)


def raise_limits():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    path = pathlib.Path("/proc/sys/net/core/somaxconn")
    if int(path.read_text()) < 65535:
        try:
            path.write_text("65535")
        except OSError:
            print("warning: net.core.somaxconn is", path.read_text().strip(), "and cannot be raised without root:",
                  "`sysctl net.core.somaxconn=65535`; many connections at once may be slow to open")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="names or patterns of rows; without any, the short series")
    parser.add_argument("--full", action="store_true", help="all rows")
    parser.add_argument("--list", action="store_true", help="print the rows and leave")
    parser.add_argument("--rounds", type=int, default=6, help="of each server, in turn (6)")
    parser.add_argument("--duration", type=float, default=1.2, help="seconds measured in a round (1.2)")
    parser.add_argument("--verify", action="store_true", help="check order and number of all publications, too")
    parser.add_argument("--pin", action="store_true", help="one-shard servers on core 0, the generator on core 1")
    parser.add_argument("--build", type=pathlib.Path, default=BUILD, help="where the programs are")
    parser.add_argument("--gyre", type=pathlib.Path, help="the server's binary (BUILD/gyre)")
    parser.add_argument("--peer", type=pathlib.Path, help="another server's binary, for the same configuration")
    parser.add_argument("--json", type=pathlib.Path, help="append every round's report to this file")
    return parser.parse_args()


def pick_servers(options):
    servers = []
    gyre = options.gyre or options.build / "gyre"
    if gyre.exists():
        servers.append(Centrifuge("gyre", gyre.resolve()))
    else:
        print(f"{gyre} does not exist: only the others are measured")
    servers.append(Floor("floor", options.build / "gyre_bench_floor"))
    if options.peer:
        servers.append(Centrifuge("peer", options.peer.resolve()))
    return servers


def main():
    options = parse_arguments()
    chosen = [row for row in rows() if options.full or (
        any(fnmatch.fnmatch(row.name, pattern) for pattern in options.rows) if options.rows else row.short)]
    if options.list:
        for row in rows():
            print(f"{row.name:28} {row.load}{'  (short)' if row.short else ''}")
        return 0
    if not chosen:
        sys.exit("no such row; --list shows them")
    raise_limits()
    servers = pick_servers(options)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gyre-bench-"))
    widths = [28, 5, *[17] * len(servers), 8, *([8] if options.peer else []), 0]
    print_line(["row", "unit", *(server.name for server in servers), "/floor", *(["/peer"] if options.peer else []),
                "of ours"], widths)
    errors, speeds = [], []

    def save(report):
        speeds.append(report["speed_ns"])
        if options.json:
            with open(options.json, "a") as file:
                file.write(json.dumps(report) + "\n")

    for row in chosen:
        reports = run_row(options, servers, row, folder, save)
        found = {server.name: summary(row, reports.get(server.name)) for server in servers}
        errors += [f"{row.name}, {name}: {error}" for name, error in reports.items() if isinstance(error, Exception)]
        ours, _, best = found.get("gyre", (None, "", None))

        def ratio(name):
            other = found[name][0]
            return f"{ours / other:.2f}" if ours and other and other > 0 else "-"

        print_line([row.name, row.unit, *(found[server.name][1] for server in servers), ratio("floor"),
                    *([ratio("peer")] if options.peer else []), remark(row, best)], widths)
    print(f"\nbest (median) of the rounds; speed of the machine {min(speeds, default=0):.1f} to "
          f"{max(speeds, default=0):.1f} ns per step")
    for error in errors:
        print("FAILED", error)
    if errors:
        print(f"logs: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
