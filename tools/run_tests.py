#!/usr/bin/env python3
"""Builds and runs every test of the repository, and ends with one line: "N passed, N failed".

Each step is a build, a test program, a replay of a fuzz corpus, or a check of the sources. A step that cannot be built
counts as one failure. Needs only the standard library.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEP_SECONDS_MAX = 900
BUILD_SECONDS_MAX = 2400
# Over each of the two engines goes one half.
FRESH_SEEDS = 20_000
REPEATED_SEEDS = 1_000
PLANTED_SEEDS = 10_000  # at most, for each bug
TIDY_SECONDS = 180  # for what the latest commits touched; `make tidy` looks at everything
# The suites of tests/conformance that run against the program of a build. Of a suite of many parts, one can be named.
SERVED_SUITES = {
    "release": [("golden",), ("serving",), ("sdk",)],
    "asan": [("golden",), ("serving",), ("sdk", "test_python")],
    "tsan": [("golden",), ("serving",)],
}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
GRPC_SUPPRESSIONS = ROOT / "tools" / "grpc_tsan_suppressions.txt"


running = set()  # process groups, which a keyboard's interrupt does not reach


@dataclasses.dataclass
class Outcome:
    name: str
    passed: int
    failed: int
    seconds: float
    output: str = ""


def run(command, environment=None, seconds_max=STEP_SECONDS_MAX):
    """The exit code and the output of a command. One that takes too long is killed, with all that it has started."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        running.add(process.pid)
        try:
            code = process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            output.write(b"\ntimed out")
        running.remove(process.pid)
        output.seek(0)
        return code, output.read().decode(errors="replace")


def kill_all():
    for group in list(running):
        os.killpg(group, signal.SIGKILL)


def count_gtest(code, output):
    """How many tests of a GoogleTest program passed and failed. A program that dies has failed at least one."""
    passed = sum(int(n) for n in re.findall(r"^\[  PASSED  \] (\d+) tests?\.", output, re.M))
    failed = sum(int(n) for n in re.findall(r"^\[  FAILED  \] (\d+) tests?, listed below", output, re.M))
    if code != 0 or passed + failed == 0:
        failed = max(failed, 1)
    return passed, failed


def build(preset, targets):
    started = time.monotonic()
    code, output = run(["cmake", "--preset", preset])
    if code == 0:
        command = ["cmake", "--build", "--preset", preset, "--target", *targets]
        code, output = run(command, seconds_max=BUILD_SECONDS_MAX)
    failed = int(code != 0)
    return Outcome(f"build {preset}", 1 - failed, failed, time.monotonic() - started, output)


def sanitized(calls_grpc):
    """The environment of a program that may have sanitizers."""
    environment = dict(os.environ, **SANITIZERS)
    if calls_grpc:
        environment["TSAN_OPTIONS"] += f":suppressions={GRPC_SUPPRESSIONS}"
    return environment


def test_program(preset, program):
    started = time.monotonic()
    code, output = run([str(program)], sanitized(calls_grpc=program.name == "gyre_grpc_test"))
    passed, failed = count_gtest(code, output)
    return Outcome(f"{preset} {program.name}", passed, failed, time.monotonic() - started, output)


def replay(preset, program):
    started = time.monotonic()
    corpus = ROOT / "fuzz" / "corpus" / program.name.removesuffix("_replay")
    code, output = run([str(program), str(corpus)])
    failed = int(code != 0)
    return Outcome(f"{preset} {program.name}", 1 - failed, failed, time.monotonic() - started, output)


def source_check(script, *arguments):
    started = time.monotonic()
    code, output = run([sys.executable, str(ROOT / "tools" / script), *arguments])
    failed = int(code != 0)
    return Outcome(" ".join([script, *arguments]), 1 - failed, failed, time.monotonic() - started, output)


def simulation(*arguments):
    """gyre_sim of the preset `simulation`, which has fault points and planted bugs."""
    started = time.monotonic()
    program = ROOT / "build" / "simulation" / "tests" / "simulation" / "gyre_sim"
    code, output = run([str(program), *arguments])
    failed = int(code != 0)
    return Outcome("simulation " + " ".join(arguments), 1 - failed, failed, time.monotonic() - started, output)


def fresh_seed():
    """Where this commit's seeds begin: far from those of others, and of the ledger of tests/simulation."""
    code, output = run(["git", "rev-parse", "HEAD"])
    return (1 + int(output[:8], 16)) * 10**6 if code == 0 else time.time_ns()


def simulations():
    """Each uses every core, so that they run one after the other."""
    built = build("simulation", ["gyre_sim"])
    yield built
    if not built.failed:
        seed = str(fresh_seed())
        yield simulation("--seed", seed, "--count", str(FRESH_SEEDS // 2))
        yield simulation("--seed", seed, "--count", str(REPEATED_SEEDS // 2), "--twice")
        yield simulation("--planted", str(PLANTED_SEEDS))


def conformance(preset, *suite):
    """A suite of tests/conformance, against the program of a build."""
    return served(preset, "conformance", *suite)


def attackers(preset):
    """Every attack of tests/attackers, against the program of a build."""
    return served(preset, "attackers")


def served(preset, folder, *suite):
    started = time.monotonic()
    environment = sanitized(calls_grpc=True) | {"GYRE_BINARY": str(ROOT / "build" / preset / "gyre")}
    code, output = run([sys.executable, str(ROOT / "tests" / folder / "run.py"), *suite], environment)
    counts = re.search(r"^(\d+) passed, (\d+) failed$", output, re.M)
    passed, failed = (int(n) for n in counts.groups()) if counts else (0, 1)
    if code != 0:
        failed = max(failed, 1)
    return Outcome(" ".join([preset, folder, *suite]), passed, failed, time.monotonic() - started, output)


def in_parallel(jobs):
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = [pool.submit(*job) for job in jobs]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            kill_all()
            raise


def steps(presets):
    """All outcomes, builds one after the other (each uses every core), programs side by side."""
    yield source_check("check_layers.py")
    yield source_check("check_style.py")
    for part in ("format", "shell", "python"):
        yield source_check("lint.py", part)
    yield conformance("release", "replay")
    for preset in presets:
        targets = ["tests", "replays"]
        if preset in SERVED_SUITES:
            targets += ["gyre"]
        if preset == "dev":
            targets += ["all_verify_interface_header_sets"]
        built = build(preset, targets)
        yield built
        if built.failed:
            continue
        folder = ROOT / "build" / preset
        if preset == "release":
            yield source_check("check_hardening.py", str(folder / "gyre"))
        names = (folder / "tests.txt").read_text().split()
        jobs = [(test_program, preset, pathlib.Path(name)) for name in names]
        if preset in ("asan", "dev"):
            jobs += [(replay, preset, program) for program in sorted(folder.glob("fuzz/*_replay"))]
        jobs += [(conformance, preset, *suite) for suite in SERVED_SUITES.get(preset, [])]
        yield from in_parallel(jobs)
        if preset == "release":
            yield attackers(preset)  # it brings its own parallelism
        if preset == "dev":
            yield source_check("lint.py", "tidy", "--recent", str(TIDY_SECONDS))
    if "release" in presets:
        yield from simulations()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the ordinary debug build only")
    presets = ["dev"] if parser.parse_args().quick else ["release", "dev", "asan", "tsan"]

    started = time.monotonic()
    outcomes = []
    for outcome in steps(presets):
        outcomes.append(outcome)
        print(f"{'ok  ' if not outcome.failed else 'FAIL'} {outcome.seconds:7.1f}s  {outcome.name}"
              f"  ({outcome.passed} passed, {outcome.failed} failed)", flush=True)
        if outcome.failed:
            print(outcome.output[-20_000:], flush=True)
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.monotonic() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU time")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        kill_all()
