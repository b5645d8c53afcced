#!/usr/bin/env python3
"""Runs the conformance tests.

    tests/conformance/run.py replay    the replay judged against itself; needs no server
    tests/conformance/run.py golden    the recordings against the server (GYRE_BINARY, or build/release/gyre)
    tests/conformance/run.py serving   start, refusal, reload and end of the server
    tests/conformance/run.py sdk       the official SDKs and the demo page against the server

A third argument picks tests by a part of their name. The standard library is all that is needed, but for the
last, which gets its packages from PyPI, npm and as Go modules once, into build/environments, and for backends over GRPC,
which get theirs from PyPI there. What does not build on
another test runs beside it.
"""

import concurrent.futures
import itertools
import multiprocessing
import pathlib
import re
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SUITES = {
    "replay": ["test_replay", "test_server_replay"],
    "golden": [
        "test_client_recordings",
        "test_server_recordings",
        "test_proxy_recordings",
        "test_grpc_proxy_recordings",
    ],
    "serving": [
        "test_serving",
        "test_overload",
        "test_delivery",
        "test_key_sets",
        "test_proxies",
        "test_grpc_proxies",
        "test_wildcards",
    ],
}
WORKERS = 6  # more than cores, for the long ones only wait for a clock
SDK_OPTIONS = ["-q", "--tb=short", "-p", "no:cacheprovider", "--numprocesses", str(WORKERS), "--dist", "worksteal"]
UNITS = []


class Result(unittest.TestResult):
    """Counts what passed; a class whose server does not start fails without any of its tests having run."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def tests_of(suite) -> list:
    return [suite] if isinstance(suite, unittest.TestCase) else [t for part in suite for t in tests_of(part)]


def seconds(test) -> float:
    return getattr(getattr(test, test._testMethodName, None), "seconds", 0)


def units(tests: list) -> list[list]:
    """What must run in order: the tests of a class, unless it says that they are on their own. The longest is first."""
    result = []
    for made, group in itertools.groupby(tests, type):
        together = list(group)
        result += [together] if getattr(made, "is_ordered", True) else [[test] for test in together]
    return sorted(result, key=lambda unit: -sum(map(seconds, unit)))


def run_unit(index: int) -> tuple[int, list[str]]:
    """How many passed, and how the others failed. In a process forked from the one that has made UNITS."""
    result = Result()
    unittest.TestSuite(UNITS[index]).run(result)
    return result.passed, [f"FAIL: {test}\n{text}" for test, text in result.failures + result.errors]


def run_side_by_side(tests: list) -> int:
    started, passed, failures = time.monotonic(), 0, []
    UNITS[:] = units(tests)
    with concurrent.futures.ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork")) as pool:
        for more, wrong in pool.map(run_unit, range(len(UNITS))):
            passed += more
            failures += wrong
    print(*failures, f"{len(tests)} tests in {time.monotonic() - started:.1f} s", sep="\n")
    print(f"{passed} passed, {len(failures)} failed")
    return 0 if passed > 0 and not failures else 1


def run_sdk(part: list) -> int:
    """pytest in the suite's own environment; what it counts goes into the plain closing line."""
    sys.path[:0] = [str(HERE / "lib"), str(HERE.parents[1] / "tools")]
    import environments
    from server import BINARY

    folder = HERE / "sdk"
    if not BINARY.is_file():
        print(f"no server at {BINARY}: build it, or name another in GYRE_BINARY\n0 passed, 1 failed")
        return 1
    try:
        python = environments.python(folder)
        environments.npm(folder)
        environments.go(folder / "go")
    except environments.Unavailable as failure:
        print(f"the packages of the SDK tests are not to be had: {failure}\n0 passed, 1 failed")
        return 1
    command = [str(python), "-m", "pytest", *SDK_OPTIONS, f"--rootdir={folder}"]
    if part:
        command += ["-k", part[0]]
    process = subprocess.Popen([*command, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    code = process.wait()
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", last)}
    passed, failed = counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)
    if code != 0 or passed == 0:
        failed = max(failed, 1)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    if sys.argv[1:2] == ["sdk"]:
        return run_sdk(sys.argv[2:])
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        print(__doc__, file=sys.stderr)
        return 2
    sys.path[:0] = [str(HERE / "lib"), str(HERE / "golden"), str(HERE / "serving")]
    loader = unittest.TestLoader()
    if len(sys.argv) > 2:
        loader.testNamePatterns = [f"*{sys.argv[2]}*"]
    return run_side_by_side(tests_of(loader.loadTestsFromNames(SUITES[sys.argv[1]])))


if __name__ == "__main__":
    sys.exit(main())
