#!/usr/bin/env python3
"""Attacks the server, with a well-behaved client beside each attacker.

    tests/attackers/run.py [NAME…]              each attack once: what must happen does, the well-behaved client loses
                                                nothing, memory stays in bounds (GYRE_BINARY, or build/release/gyre)
    tests/attackers/run.py --measure [NAME…]    the time until the cut, processor time, memory and latency as well, one
                                                attack at a time, judged against the limits; for a quiet machine
    tests/attackers/run.py --list               the table

A NAME is a part of the attacks' names. The standard library is all that is needed.
"""

import argparse
import concurrent.futures
import contextlib
import ctypes
import dataclasses
import importlib
import multiprocessing
import os
import pathlib
import re
import resource
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "attacks"), str(HERE.parent / "conformance" / "lib")]

from attack import API_KEY, CONFIG, MIB, TABLE, Attack, Target  # noqa: E402
from bystander import Bystander, Failed  # noqa: E402
from gauge import Gauge  # noqa: E402
from server import BINARY, Server, merged  # noqa: E402

for part in ("http", "frames", "commands", "floods"):
    importlib.import_module(f"{part}_attacks")

WORKERS = 6  # more than cores, for many attacks only wait
CORE_SHARE_MAX = 0.05
SLOWDOWN_MAX = 2
LOG_BYTES_MAX = 64 * 1024  # what an attack may make a server write down
# Pages that a server touches for the first time while it is attacked, whoever attacks.
MEMORY_SLACK = MIB
# Memory of a server varies with what its allocator and its threads happened to touch: what is over is looked at again.
MEMORY_ROUNDS = 3
PR_SET_THP_DISABLE = 41


@dataclasses.dataclass
class Pace:
    hold: float  # seconds of an attack that nothing ends
    quiet: float  # seconds of the time before it, for comparison
    interval: float  # seconds between publications
    rounds: int
    is_measured: bool


TEST = Pace(hold=1, quiet=0.1, interval=0.005, rounds=1, is_measured=False)
MEASURE = Pace(hold=4, quiet=4, interval=0.005, rounds=3, is_measured=True)


@dataclasses.dataclass
class Finding:
    """What one attack came to."""
    name: str
    ending: str = ""
    seconds: float = 0
    told: float = 0  # until the last attacker knew that this is the end
    patience: float = 0
    attackers: int = 0
    cpu: float = 0  # of one core, above what the well-behaved client costs
    memory: float = 0  # bytes per attacker, at the peak
    kept: float = 0  # bytes of all of it when they have gone
    quiet_p99: float = 0
    p99: float = 0
    elsewhere_p99: float = 0  # of a client at one server while another is attacked; 0: not measured
    failure: str = ""
    is_memory_over: bool = False  # and nothing else failed

    def verdicts(self) -> list[str]:
        """Which limits it is over."""
        over = []
        if self.cpu / max(self.attackers, 1) > CORE_SHARE_MAX:
            over.append("cpu")
        if self.memory > MIB:
            over.append("memory")
        if self.p99 > SLOWDOWN_MAX * max(self.quiet_p99, self.elsewhere_p99):
            over.append("p99")
        if self.told > self.patience:
            over.append("told late")
        return over + (["FAILED"] if self.failure else [])


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def cpu_share(gauge: Gauge, began: float, cpu: float) -> float:
    return (gauge.cpu_seconds() - cpu) / max(time.monotonic() - began, 1e-6)


def observe(attack: Attack, pace: Pace, finding: Finding, server: Server, ends: contextlib.ExitStack,
            refuge: Server | None = None) -> None:
    """With a refuge the well-behaved client is there."""
    pid = server.process.pid
    if attack.descriptors:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (attack.descriptors, attack.descriptors))
    bystander = Bystander((refuge or server).port, API_KEY, pace.interval)
    ends.callback(bystander.kill)
    gauge, target = Gauge(pid), Target(server, pace.hold)
    ends.callback(target.close)
    attack.prepare(target)
    time.sleep(0.2)  # what the first publications touch
    bystander.latencies()
    began, cpu = time.monotonic(), gauge.cpu_seconds()
    time.sleep(pace.quiet)
    quiet_share = cpu_share(gauge, began, cpu)
    finding.quiet_p99 = percentile(bystander.latencies(), 0.99)
    memory, logged = gauge.memory(), len(server.log())
    gauge.start()
    began, cpu = time.monotonic(), gauge.cpu_seconds()
    finding.ending = attack.run(target)
    # A short attack is judged by the first second: what comes more often is an attack of its own, a loop.
    time.sleep(max(0.0, (1.0 if pace.is_measured else 0.0) - (time.monotonic() - began)))
    finding.seconds = time.monotonic() - began
    finding.cpu = max(cpu_share(gauge, began, cpu) - quiet_share, 0)
    finding.attackers = max(attack.attackers, target.opened)
    finding.p99 = percentile(bystander.latencies(), 0.99)
    gauge.stop()
    finding.told = max((peer.told or peer.gone or 0 for peer in target.peers), default=0)
    target.close()
    time.sleep(0.2)
    finding.memory = max(gauge.peak - memory, 0) / max(attack.attackers, 1)
    finding.kept = max(gauge.memory() - memory, 0)
    bystander.latencies()  # it is served after the attack as well
    bystander.end()
    judge(attack, finding, gauge.peak - memory, len(server.log()) - logged)


def judge(attack: Attack, finding: Finding, grown: int, logged: int) -> None:
    if not re.fullmatch(attack.must, finding.ending):
        raise Failed(f"ended with {finding.ending!r} and not as it must, {attack.must!r}")
    if logged > LOG_BYTES_MAX:
        raise Failed(f"{logged} bytes were logged")
    if grown > attack.memory * attack.attackers + MEMORY_SLACK:
        finding.is_memory_over = True
        raise Failed(f"memory grew by {grown} bytes")


def run_once(attack: Attack, pace: Pace, is_elsewhere: bool = False) -> Finding:
    """Elsewhere: with the well-behaved client at a server that nobody attacks, which shows what the machine takes from it."""
    finding = Finding(attack.name, patience=attack.patience)
    try:
        with contextlib.ExitStack() as ends:
            server = ends.enter_context(Server(merged(CONFIG, attack.config)))
            refuge = ends.enter_context(Server(CONFIG)) if is_elsewhere else None
            observe(attack, pace, finding, server, ends, refuge)
    except Exception:  # of the attack, of the bystander, of a server that does not end well
        finding.failure = traceback.format_exc(limit=-2)
    return finding


def run_index(index: int) -> Finding:
    """In a process forked from the one that has read the table."""
    for _ in range(MEMORY_ROUNDS):
        finding = run_once(TABLE[index], TEST)
        if not finding.is_memory_over:
            break
    return finding


def test(attacks: list[Attack]) -> int:
    indices = [TABLE.index(attack) for attack in attacks]
    with concurrent.futures.ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork")) as pool:
        findings = list(pool.map(run_index, indices))
    print(HEADING)
    for finding in findings:
        print(row(finding))
    failed = [finding for finding in findings if finding.failure]
    print(*(f"FAIL: {finding.name}\n{finding.failure}" for finding in failed), sep="\n")
    print(f"{len(findings) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not findings else 0


def measure(attacks: list[Attack]) -> int:
    """The best of some rounds: a machine is disturbed more often than a server is fast by accident."""
    # A remote attacker takes no time of the cores here: ours gives way to the server and the well-behaved client.
    os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    bad = 0
    attacks = [attack for attack in attacks if attack.is_measured]
    print(HEADING)
    for attack in attacks:
        findings = []
        for _ in range(MEASURE.rounds):
            findings.append(run_once(attack, MEASURE))
            if not findings[-1].verdicts():
                break
        best = min(findings, key=lambda finding: (len(finding.verdicts()), finding.cpu))
        if "p99" in best.verdicts():
            best.elsewhere_p99 = run_once(attack, MEASURE, is_elsewhere=True).p99
        bad += bool(best.verdicts())
        print(row(best), flush=True)
        if best.failure:
            print(best.failure)
    print(f"{len(attacks) - bad} of {len(attacks)} within the limits")
    return 1 if bad else 0


HEADING = (f"| {'attack':26} | {'ending':28} | {'peers':>5} | {'told':>6} | {'core':>6} | {'memory':>9} | {'kept':>9} |"
           f" {'quiet':>8} | {'p99':>8} | {'elsewhere':>9} | over |\n|{'-' * 28}|{'-' * 30}|{'-' * 7}|{'-' * 8}|{'-' * 8}|{'-' * 11}|"
           f"{'-' * 11}|{'-' * 10}|{'-' * 10}|{'-' * 11}|{'-' * 6}|")


def row(finding: Finding) -> str:
    ending = finding.ending.replace(" | ", "; ")
    return (f"| {finding.name:26} | {ending:28.60} | {finding.attackers:5} | {finding.told:4.1f} s | {finding.cpu:6.1%} |"
            f" {finding.memory / 1024:5.0f} KiB | {finding.kept / 1024:5.0f} KiB |"
            f" {finding.quiet_p99 * 1e6:5.0f} us | {finding.p99 * 1e6:5.0f} us | {finding.elsewhere_p99 * 1e6:6.0f} us |"
            f" {' '.join(finding.verdicts())} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    attacks = [attack for attack in TABLE if not arguments.names or any(n in attack.name for n in arguments.names)]
    if arguments.list:
        for attack in attacks:
            print(f"{attack.name:26} {attack.what} ({attack.must})")
        return 0
    if not BINARY.is_file():
        print(f"no server at {BINARY}: build it, or name another in GYRE_BINARY\n0 passed, 1 failed")
        return 1
    # Servers inherit it: pages of 2 MiB would hide what an attacker costs.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return measure(attacks) if arguments.measure else test(attacks)


if __name__ == "__main__":
    sys.exit(main())
