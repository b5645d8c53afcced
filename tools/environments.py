#!/usr/bin/env python3
"""Makes what is not C++ ready under build/environments, once for each lock file, and prints where it is.

    tools/environments.py node              the folder with node and npm
    tools/environments.py python FOLDER     the python of a virtual environment with FOLDER/requirements.txt
    tools/environments.py npm FOLDER        the node_modules of FOLDER/package-lock.json

Node comes from PyPI: Debian 12's own is too old for some packages and brings several hundred with it. Versions are
exact; npm packages are held to their hashes. Needs only the standard library and Debian's python3-venv.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "environments"
NODE_REQUIREMENTS = ROOT / "tools" / "requirements-node.txt"
# Node that is not Debian's knows a site's own certificate authorities only by this variable.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
COMMAND_SECONDS_MAX = 600


class Unavailable(Exception):
    """An environment cannot be made; the text says which command failed, and how."""


def environment() -> dict:
    """What child processes need to find node and to trust what this machine trusts."""
    result = dict(os.environ)
    if pathlib.Path(AUTHORITIES).exists():
        result.setdefault("NODE_EXTRA_CA_CERTS", AUTHORITIES)
    return result


def _run(command: list, folder: pathlib.Path, variables: dict) -> None:
    try:
        done = subprocess.run(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=COMMAND_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"no end after {COMMAND_SECONDS_MAX} s: {' '.join(command)}") from None
    except OSError as failure:
        raise Unavailable(f"{command[0]}: {failure}") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}\n{done.stdout.strip()}")


def _made(name: str, inputs: list, make) -> pathlib.Path:
    """The folder for these inputs; `make` fills it if nobody has. Its last act is the mark that it is complete."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()[:12]
    folder = HOME / f"{name}-{digest}"
    mark = folder / ".complete"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            for former in HOME.glob(f"{name}-*"):
                shutil.rmtree(former)
            folder.mkdir()
            make(folder)
            mark.touch()
    return folder


def _venv(name: str, requirements: pathlib.Path) -> pathlib.Path:
    def make(folder: pathlib.Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], ROOT, environment())
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--retries", "2",
              "--no-compile", "--no-deps", "--only-binary", ":all:", "--requirement", str(requirements)], ROOT,
             environment())

    return _made(name, [requirements], make)


def node() -> pathlib.Path:
    return _venv("node", NODE_REQUIREMENTS) / "bin"


def python(folder: pathlib.Path) -> pathlib.Path:
    return _venv(f"python-{folder.name}", folder / "requirements.txt") / "bin" / "python"


def npm(folder: pathlib.Path) -> pathlib.Path:
    binaries = node()
    inputs = [folder / name for name in ("package.json", "package-lock.json", ".npmrc")]

    def make(target: pathlib.Path) -> None:
        for path in inputs:
            shutil.copy(path, target)
        variables = environment()
        variables["PATH"] = f"{binaries}{os.pathsep}{variables.get('PATH', '')}"
        _run([str(binaries / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], target, variables)

    return _made(f"npm-{folder.name}", [NODE_REQUIREMENTS, *inputs], make) / "node_modules"


def main() -> int:
    match sys.argv[1:]:
        case ["node"]:
            make = node
        case ["python", folder]:
            make = lambda: python(pathlib.Path(folder).resolve())
        case ["npm", folder]:
            make = lambda: npm(pathlib.Path(folder).resolve())
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    try:
        print(make())
    except Unavailable as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
