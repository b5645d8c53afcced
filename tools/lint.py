#!/usr/bin/env python3
"""What other programs have to say about the sources.

    tools/lint.py format            clang-format, gofmt: names the files that `make format` would change
    tools/lint.py shell             shellcheck over the shell scripts
    tools/lint.py python            bytecode and pyflakes over the Python
    tools/lint.py tidy              clang-tidy over everything that build/dev/compile_commands.json has
    tools/lint.py tidy --recent S   over what the latest commits touched, newest first, while S seconds last
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "bench", "fuzz", "tools", ".ci")
FOREIGN = ("node_modules", "__pycache__")
DATABASE = ROOT / "build" / "dev" / "compile_commands.json"
CORES = os.cpu_count() or 1
COMMITS = 20  # what counts as recent


def sources(*suffixes: str) -> list[str]:
    found = list(ROOT.glob("*.sh"))
    for folder in FOLDERS:
        found += (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(ROOT)) for path in found
                  if path.suffix in suffixes and not any(part in FOREIGN for part in path.parts))


def run(command: list[str], environment: dict | None = None) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout


def over(command: list[str], files: list[str]) -> list[str]:
    """What the command prints about the files, which it gets in as many parts as there are cores."""
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        results = pool.map(lambda part: run([*command, *part]), [files[i::CORES] for i in range(min(CORES, len(files)))])
    return [output for code, output in results if code != 0]


def check_format() -> list[str]:
    files = sources(".cc", ".h")
    found = "".join(over(["clang-format-19", "--dry-run", "-Werror"], files))
    # Each difference is some lines; the name of the file is enough.
    names = sorted({line.split(":")[0] for line in found.splitlines() if ": error: " in line})
    findings = [f"{name}: not as `make format` leaves it" for name in names] or ([found] if found else [])
    code, found = run(["gofmt", "-l", *sources(".go")])
    return findings + ([found] if code else [f"{name}: not as `make format` leaves it" for name in found.splitlines()])


def check_shell() -> list[str]:
    return over(["shellcheck", "--external-sources"], sources(".sh") + [".ci/run"])


def check_python() -> list[str]:
    files = sources(".py")
    findings = []
    for file in files:
        try:
            compile((ROOT / file).read_bytes(), file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            findings.append(f"{file}: {error}")
    return findings + over(["pyflakes3"], files)


def recently_touched() -> list[str]:
    """Files of the latest commits, newest first. Without a history, as in an archive, all of them."""
    code, output = run(["git", "log", f"-{COMMITS}", "--name-only", "--format=", "--", "*.cc", "*.h"])
    return list(dict.fromkeys(output.split())) if code == 0 and output else sources(".cc", ".h")


def units_of(files: list[str], known: set[str]) -> list[str]:
    """The files to compile: a header is looked at through its source, its test, or the unit that checks it alone."""
    def unit(file: str) -> str | None:
        stem = file.removesuffix(".h")
        alone = [name for name in known if name.endswith(f"_header_sets/{file.removeprefix('src/')}.cxx")]
        return next((name for name in (file, f"{stem}.cc", f"{stem}_test.cc", *alone) if name in known), None)

    return [name for name in dict.fromkeys(map(unit, files)) if name]


def check_tidy(seconds: float | None) -> list[str]:
    entries = json.loads(DATABASE.read_text())
    known = {str(pathlib.Path(entry["file"]).relative_to(ROOT)) for entry in entries}
    ours = sorted(unit for unit in known if not unit.startswith("build/"))
    units = ours if seconds is None else units_of(recently_touched(), known)
    deadline = time.monotonic() + (seconds or float("inf"))

    def tidy(unit: str) -> str | None:
        """Findings of one unit; None if there was no time left for it."""
        if time.monotonic() > deadline:
            return None
        code, output = run(["clang-tidy-19", "--quiet", f"-p={DATABASE.parent}", unit])
        return output if code else ""

    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        results = list(pool.map(tidy, units))
    print(f"clang-tidy: {len(units) - results.count(None)} of {len(units)} units")
    return [finding for finding in results if finding]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("format", "shell", "python", "tidy"))
    parser.add_argument("--recent", type=float, metavar="SECONDS", help="tidy: bounded, the newest first")
    arguments = parser.parse_args()
    checks = {"format": check_format, "shell": check_shell, "python": check_python,
              "tidy": lambda: check_tidy(arguments.recent)}
    findings = checks[arguments.part]()
    print("\n".join(findings) or f"{arguments.part}: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
