#!/usr/bin/env python3
"""Checks what the compiler and clang-format do not: forbidden calls outside src/os, markers of unfinished work, lines
over 120 columns, headers without `#pragma once`, sources that do not include their own header first, coroutines that
take bare views. Prints each finding as file:line."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS_MAX = 120

# What may be done only in the folders named: time, randomness and threads come through os::Kernel.
FORBIDDEN = [
    (re.compile(r"\bstd::(?:this_thread::sleep_|chrono::(?:system|steady|high_resolution)_clock::now)"),
     "asks the system for the time; use runtime::Shard::now or wall", ("os", "app", "outbound", "grpc")),
    (re.compile(r"\b(?:usleep|nanosleep|sleep)\s*\("), "sleeps; wait for a condition", ("os",)),
    (re.compile(r"(?<![\w:.>])s?rand\s*\("), "unseeded randomness; use os::Kernel::random", ("os",)),
    (re.compile(r"\bstd::random_device\b"), "unseeded randomness; use os::Kernel::random", ("os",)),
    (re.compile(r"\bstd::(?:thread|jthread|async)\b(?!::)"), "starts a thread", ("os", "app", "outbound", "grpc")),
]
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
VIEW_COROUTINE = re.compile(r"\bTask<[^;{]*>\s+[\w:]+\([^)]*\bstd::(?:string_view|span<[^>]*>)\s+\w+[^)]*\)\s*(?:const\s*)?\{")


def findings(file):
    text = file.read_text()
    place = file.relative_to(ROOT)
    is_test = file.name.endswith("_test.cc") or place.parts[0] != "src"
    folder = place.parts[1] if place.parts[0] == "src" else ""
    if file.suffix == ".h" and "#pragma once" not in text:
        yield f"{place}:1: no #pragma once"
    if file.suffix == ".cc" and place.parts[0] == "src" and file.with_suffix(".h").exists():
        own = f'#include "{place.relative_to("src").with_suffix(".h")}"'
        first = next((line for line in text.splitlines() if line.startswith("#include")), "")
        if first != own:  # so that each header is seen to compile alone
            yield f"{place}:1: {own} is not the first include"
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX and not is_test:  # tests hold recorded bytes
            yield f"{place}:{number}: {len(line)} columns"
        if UNFINISHED.search(line):
            yield f"{place}:{number}: unfinished work"
        code = line.split("//")[0]
        if is_test:
            continue
        for pattern, why, exempt in FORBIDDEN:
            if folder not in exempt and pattern.search(code):
                yield f"{place}:{number}: {why}"
    if not is_test:
        for match in VIEW_COROUTINE.finditer(text):
            yield f"{place}:{text.count(chr(10), 0, match.start()) + 1}: a coroutine takes a bare view"


def main():
    files = [path for folder in ("src", "fuzz", "bench", "tests")
             for suffix in ("*.h", "*.cc") for path in sorted((ROOT / folder).rglob(suffix))]
    found = [finding for file in files for finding in findings(file)]
    print("\n".join(found) or f"style: {len(files)} files clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
