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
SUITES = {"replay": "test_replay", "golden": "test_client_recordings"}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        print(__doc__, file=sys.stderr)
        return 2
    sys.path[:0] = [str(HERE / "lib"), str(HERE / "golden")]
    loader = unittest.TestLoader()
    if len(sys.argv) > 2:
        loader.testNamePatterns = [f"*{sys.argv[2]}*"]
    suite = loader.loadTestsFromName(SUITES[sys.argv[1]])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 0 if failed == 0 and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
