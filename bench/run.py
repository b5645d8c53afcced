#!/usr/bin/env python3
"""Measures Gyre beside the floor and a peer, in turn, and prints one table.

The same binary may cost twice as much a minute later on a shared machine. So every row runs its servers in turn,
round after round, takes the best round of each, and only the ratio of two bests means something.
docs/benchmarks.md explains the rows. Needs only the standard library, and Go to build the peer.
"""
import argparse
import dataclasses
import fnmatch
import json
import math
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from rows import Limit, all_rows, million
from servers import ROOT, pick_servers, pin, stop

BUSY = 0.3  # other work on the machine, in cores, from which on a figure is marked
FAULTS = ("missing", "excess", "lost", "duplicate", "reordered", "diverged", "unreadable", "good_cut")
LOAD_SECONDS_MAX = 1500  # the longest load holds its connections for ten minutes
OVERLOADED_US = 25_000  # a median above is that of a queue which grows


def run_load(options, server, row, process, port, duration=None):
    command = [str(options.build / "gyre_bench_load"), *server.load(row).split(), *server.load_flags(row), "--server",
               f"127.0.0.1:{port}", "--pid", str(process.pid), "--label", row.name]
    if "--duration" not in command and row.mode != "idle":
        command += ["--duration", str(duration or options.duration)]
    can_verify = row.mode == "fanout" or row.mode == "channels" and "--raw" not in command
    if not options.no_verify and row.verified and can_verify:
        command.append("--verify")
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS_MAX,
                          preexec_fn=pin(1 if options.pin and row.shards == 1 else None))
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    report = json.loads(done.stdout)
    wrong = {key: report[key] for key in FAULTS if report.get(key)}
    # What a stalled crowd costs the others is a figure of the row; ours must be none.
    if wrong and not (row.mode == "stall" and server.name != "gyre"):
        raise RuntimeError(f"deliveries are wrong: {wrong}")
    return report


def at_half_load(options, servers, row, folder):
    """The row with a rate: half of the highest that the peer carries; without a peer, the row's own."""
    peer = next((server for server in servers if server.name == "peer"), None)
    if peer is None:
        return dataclasses.replace(row, load=row.load.format(rate=row.rate))
    process, port = peer.start(row, folder, 0 if options.pin else None)

    def carries(rate):
        probe = dataclasses.replace(row, load=row.load.format(rate=rate))
        try:
            return run_load(options, peer, probe, process, port, 0.6)["latency_p50_us"] < OVERLOADED_US
        except (RuntimeError, subprocess.TimeoutExpired):
            return False  # an overloaded server may also cut its clients

    try:
        rate = row.rate
        while rate > 1 and not carries(rate):
            rate //= 2
        while carries(int(rate * 1.25) + 1):
            rate = int(rate * 1.25) + 1
    finally:
        stop(process)
    return dataclasses.replace(row, load=row.load.format(rate=max(1, rate // 2)))


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
    if not math.isfinite(value):
        return "never"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def figure_of(report, key):
    value = report.get(key, math.nan)
    return math.inf if key == "all_cut_s" and not value else value


@dataclasses.dataclass
class Cell:
    """A server's figure in a row: the best round, and the median of all."""

    best: float | None = None
    median: float | None = None
    text: str = "-"
    report: dict | None = None

    @staticmethod
    def of(reports, key):
        if isinstance(reports, Exception):
            return Cell(text="failed")
        if not reports:
            return Cell()
        values = [figure_of(report, key) for report in reports]
        best, median = min(values), statistics.median(values)
        return Cell(best, median, f"{shown(best)} ({shown(median)})", reports[values.index(best)])


def ratio(ours, other):
    if ours.best is None or not other.best or other.best <= 0 or not math.isfinite(ours.best):
        return None
    return ours.best / other.best


def against(goal, cells):
    """The goal as text, and whether it is reached: against the peer, or the floor where the peer is leaner than the
    server that the goal is about."""
    if isinstance(goal, Limit):
        value = ratio(cells.get("gyre", Cell()), cells.get("floor", Cell())) if goal.in_floors else cells["gyre"].best
        if value is None:
            return "-"
        return f"{'reached' if value <= goal.most else 'MISSED'}: {shown(goal.most)}{' floor' * goal.in_floors}"
    ours, floor, peer = (cells.get(name, Cell()) for name in ("gyre", "floor", "peer"))
    beside_floor, peer_beside_floor = ratio(ours, floor), ratio(peer, floor)
    if goal.reference and peer_beside_floor is not None and peer_beside_floor < goal.reference:
        most, share, name = goal.share * goal.reference, beside_floor, "floor"
    else:
        most, share, name = goal.share, ratio(ours, peer), "peer"
    if share is None:
        return "-"
    return f"{'reached' if share <= most else 'MISSED'}: {most:.2f} {name}"


def remark(row, reports, best):
    if best is None:
        return ""
    parts = [f"{key.removesuffix('_us').replace('_', ' ')} {shown(best[key])}" + ("µs" if key.endswith("_us") else "")
             for key in row.also if key in best]
    busy = max(report.get("other_busy_cores", 0) for report in reports)
    if busy > BUSY:
        parts.append(f"DISTURBED by {busy:.1f} cores")
    return ", ".join(parts)


class Table:
    """Prints a line for each figure of a row, as text or as Markdown, and keeps them for --table."""

    def __init__(self, servers, markdown):
        self.names = [server.name for server in servers]
        self.others = [name for name in ("floor", "peer") if name in self.names and "gyre" in self.names]
        self.markdown, self.kept = markdown, []
        self.widths = [26, 22, 4, *[17] * len(self.names), *[7] * len(self.others), 20, 0]
        titles = ["row", "figure", "unit", *self.names, *(f"/{name}" for name in self.others), "goal", "of ours"]
        self.line(titles)
        if markdown:
            self.line(["---"] * len(titles))

    def line(self, cells):
        if self.markdown:
            print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)
        else:
            print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, self.widths)).rstrip(), flush=True)

    def add(self, row, reports):
        for at, (key, unit) in enumerate(row.figures):
            cells = {name: Cell.of(reports.get(name), key) for name in self.names}
            ours = cells.get("gyre", Cell())
            ratios = {name: ratio(ours, cells[name]) for name in self.others}
            note = remark(row, reports.get("gyre"), ours.report) if at == 0 else ""
            goal = against(row.goals[key], cells) if key in row.goals else "-"
            label = key.removesuffix("_us").replace("_us_", "_")
            self.line([row.name, label, unit, *(cells[name].text for name in self.names),
                       *("-" if value is None else f"{value:.2f}" for value in ratios.values()), goal, note])
            self.kept.append({
                "row": row.name, "load": row.load, "figure": key, "unit": unit,
                "best": {name: cell.best for name, cell in cells.items()},
                "median": {name: cell.median for name, cell in cells.items()},
                "ours_to": ratios,
                "goal": goal,
            })


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
    parser.add_argument("--full", action="store_true", help="all rows but memory-million")
    parser.add_argument("--list", action="store_true", help="print the rows and leave")
    parser.add_argument("--rounds", type=int, default=6, help="of each server, in turn (6)")
    parser.add_argument("--duration", type=float, default=1.2, help="seconds measured in a round (1.2)")
    parser.add_argument("--no-verify", action="store_true", help="do not check order and number of publications")
    parser.add_argument("--pin", action="store_true", help="one-shard servers on core 0, the generator on core 1")
    parser.add_argument("--connections", type=int, default=1_000_000, help="of memory-million (1,000,000)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="where the programs are")
    parser.add_argument("--gyre", type=pathlib.Path, help="the server's binary (BUILD/gyre)")
    parser.add_argument("--peer", type=pathlib.Path, help="a server for the same configuration (built from bench/peer)")
    parser.add_argument("--no-peer", action="store_true", help="measure without the peer")
    parser.add_argument("--json", type=pathlib.Path, help="append every round's report to this file")
    parser.add_argument("--table", type=pathlib.Path, help="write bests, medians and ratios to this file, as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def choose(options):
    def wanted(row):
        if options.rows:
            return any(fnmatch.fnmatch(row.name, pattern) for pattern in options.rows)
        return not row.alone if options.full else row.short

    chosen = [row for row in all_rows() if wanted(row)]
    return [million(options.connections) if row.name == "memory-million" else row for row in chosen]


def main():
    options = parse_arguments()
    if options.list:
        for row in all_rows():
            print(f"{row.name:28} {row.load}{'  (short)' if row.short else '  (only by name)' if row.alone else ''}")
        return 0
    chosen = choose(options)
    if not chosen:
        sys.exit("no such row; --list shows them")
    raise_limits()
    servers = pick_servers(options)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gyre-bench-"))
    table = Table(servers, options.markdown)
    errors, speeds = [], []

    def save(report):
        speeds.append(report["speed_ns"])
        if options.json:
            with open(options.json, "a") as file:
                file.write(json.dumps(report) + "\n")

    for row in chosen:
        if "{rate}" in row.load:
            row = at_half_load(options, servers, row, folder)
        reports = run_row(options, servers, row, folder, save)
        errors += [f"{row.name}, {name}: {error}" for name, error in reports.items() if isinstance(error, Exception)]
        table.add(row, reports)
    if options.table:
        options.table.write_text(json.dumps(table.kept, indent=1) + "\n")
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
