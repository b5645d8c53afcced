#!/usr/bin/env python3
"""Holds the includes of src/ against the module list in src/CMakeLists.txt: a module may include itself, what its USES
names, and what those may include in turn. Prints each breach as file:line."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
INCLUDE = re.compile(r'^\s*#include "([^"/]+)/')
GENERATED = {"proto"}  # protoc's classes, for tests


def allowed_modules():
    """module -> every module that it may include."""
    uses = {}
    for call in re.findall(r"^gyre_module\(([^)]*)\)", (SOURCE / "CMakeLists.txt").read_text(), re.M):
        words = call.split()
        names = []
        if "USES" in words:
            for word in words[words.index("USES") + 1:]:
                if word == "LINKS":
                    break
                names.append(word)
        reachable = {words[0], *names}
        for name in names:
            reachable |= uses.get(name, set())
        uses[words[0]] = reachable
    return uses


def main():
    allowed = allowed_modules()
    breaches = []
    for folder in sorted(path for path in SOURCE.iterdir() if path.is_dir()):
        if folder.name not in allowed:
            breaches.append(f"src/{folder.name}: not in src/CMakeLists.txt")
            continue
        for file in sorted([*folder.rglob("*.h"), *folder.rglob("*.cc")]):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match or match[1] in GENERATED or match[1] in allowed[folder.name]:
                    continue
                if file.name.endswith("_test.cc") and not (SOURCE / match[1]).is_dir():
                    continue
                breaches.append(f"{file.relative_to(ROOT)}:{number}: {folder.name} may not include {match[1]}")
    print("\n".join(breaches) or "layers: clean")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
