#!/usr/bin/env python3
"""Runs the conformance tests; the standard library is all they need.

    tests/conformance/run.py replay    the replay judged against itself; needs no server
    tests/conformance/run.py golden    the recordings against the server (GYRE_BINARY, or build/release/gyre)

A third argument picks tests by a part of their name.
"""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SUITES = {
    "replay": ["test_replay", "test_server_replay"],
    "golden": ["test_client_recordings", "test_server_recordings"],
}


class Result(unittest.TextTestResult):
    """Counts what passed; a class whose server does not start fails without any of its tests having run."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        print(__doc__, file=sys.stderr)
        return 2
    sys.path[:0] = [str(HERE / "lib"), str(HERE / "golden")]
    loader = unittest.TestLoader()
    if len(sys.argv) > 2:
        loader.testNamePatterns = [f"*{sys.argv[2]}*"]
    suite = loader.loadTestsFromNames(SUITES[sys.argv[1]])
    result = unittest.TextTestRunner(verbosity=1, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.passed} passed, {failed} failed")
    return 0 if failed == 0 and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
