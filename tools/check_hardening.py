#!/usr/bin/env python3
"""check_hardening.py PROGRAM: whether a program has every measure of cmake/hardening.cmake in it.

Needs only llvm-readelf and llvm-nm, which come with the compiler.
"""
import re
import subprocess
import sys


def read(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measures(program):
    """Name of each measure, and whether the program has it."""
    elf = read("llvm-readelf-19", "--file-header", "--program-headers", "--dynamic-table", "--wide", program)
    symbols = read("llvm-nm-19", program)
    undefined = set(re.findall(r" U (\w+)", symbols))
    # "LOAD 0x… 0x… 0x… 0x… 0x… R E 0x1000": type, five numbers, flags, alignment
    flags = {kind: found for kind, found in re.findall(r"^ +(\w+)(?: +0x[0-9a-f]+){5} +([RWE ]+?) +0x", elf, re.M)}
    segments = re.findall(r"^ +LOAD(?: +0x[0-9a-f]+){5} +([RWE ]+?) +0x", elf, re.M)
    return {
        "position-independent": bool(re.search(r"Type: +DYN", elf) and re.search(r"\(FLAGS_1\).*\bPIE\b", elf)),
        "relocations read-only": "GNU_RELRO" in flags,
        "bound at start": bool(re.search(r"\(FLAGS_1\).*\bNOW\b", elf)),
        "stack not executable": "E" not in flags.get("GNU_STACK", "E"),
        "nothing writable and executable": bool(segments) and not any({"W", "E"} <= set(one) for one in segments),
        "no search path for libraries": not re.search(r"\((RPATH|RUNPATH)\)", elf),
        "stack protector": "__stack_chk_fail" in undefined,
        "fortified": bool({"__memcpy_chk", "__memmove_chk", "__memset_chk"} & undefined),
        "control-flow integrity": len(re.findall(r"\.cfi$", symbols, re.M)) > 10,
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = measures(sys.argv[1])
    for name, has in found.items():
        print(f"{'ok' if has else 'NO'}  {name}")
    sys.exit(0 if all(found.values()) else 1)


if __name__ == "__main__":
    main()
