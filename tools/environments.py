#!/usr/bin/env python3
"""Makes what is not C++ ready under build/environments, once for each lock file, and prints where it is.

    tools/environments.py node              the folder with node and npm
    tools/environments.py python FOLDER     the python of a virtual environment with FOLDER/requirements.txt
    tools/environments.py npm FOLDER        the node_modules of FOLDER/package-lock.json
    tools/environments.py go FOLDER         the program of the Go module in FOLDER

Node comes from PyPI: Debian 12's own is too old for some packages and brings several hundred with it. Go is a module of
its own module proxy, fetched by any older Go, such as Debian 12's, which is too old for the modules we need. Versions
are exact; npm packages, Go and its modules are held to their hashes. Needs only the standard library, Debian's
python3-venv, and for Go Debian's golang-go.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "environments"
NODE_REQUIREMENTS = ROOT / "tools" / "requirements-node.txt"
GO_TOOLCHAINS = ROOT / "tools" / "go-toolchain.sum"
GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
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


def _run(command: list, folder: pathlib.Path, variables: dict) -> str:
    """What the command prints."""
    try:
        done = subprocess.run(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=COMMAND_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"no end after {COMMAND_SECONDS_MAX} s: {' '.join(command)}") from None
    except OSError as failure:
        raise Unavailable(f"{command[0]}: {failure}") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}\n{done.stdout.strip()}")
    return done.stdout


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


def _go_environment(modules: pathlib.Path) -> dict:
    """Module proxy and checksum database stay the machine's; nothing else of its Go does."""
    result = {name: value for name, value in environment().items() if name not in ("GOROOT", "GOTOOLCHAIN")}
    return result | {"GOMODCACHE": str(modules), "GOFLAGS": "-modcacherw -buildvcs=false", "GOWORK": "off"}


def _fetch_toolchain(folder: pathlib.Path, version: str, wanted: str) -> None:
    old = shutil.which("go")
    if old is None:
        raise Unavailable("no go to fetch a newer one with: install golang-go")
    modules = folder / "modules"
    said = _run([old, "mod", "download", "-json", f"golang.org/toolchain@{version}"], folder, _go_environment(modules))
    described = json.loads(said[said.index("{"):])  # behind what it says of its progress
    if described["Sum"] != wanted:
        raise Unavailable(f"golang.org/toolchain {version} is {described['Sum']}, not {wanted}")
    root = pathlib.Path(described["Dir"])
    for path in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):
        path.chmod(0o755)  # archives of modules do not say what may be executed
    root.rename(folder / "root")
    shutil.rmtree(modules)


def _go() -> pathlib.Path:
    """The root of the Go that GO_TOOLCHAINS names for this machine."""
    machine = f".linux-{GO_ARCHITECTURES.get(platform.machine(), platform.machine())}"
    lines = [line.split() for line in GO_TOOLCHAINS.read_text().splitlines()]
    known = {version: digest for _, version, digest in lines if version.endswith(machine)}
    if len(known) != 1:
        raise Unavailable(f"{GO_TOOLCHAINS.relative_to(ROOT)} has no line for {machine}")
    [(version, digest)] = known.items()
    return _made("toolchain-go", [GO_TOOLCHAINS], lambda folder: _fetch_toolchain(folder, version, digest)) / "root"


def go(folder: pathlib.Path) -> pathlib.Path:
    root = _go()
    sources = [folder / "go.mod", folder / "go.sum", *sorted(folder.glob("*.go"))]

    def make(target: pathlib.Path) -> None:
        caches = HOME / "cache"  # a change of the sources compiles no more than the sources
        variables = _go_environment(caches / "go-modules") | {
            "GOROOT": str(root), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOCACHE": str(caches / "go-build")}
        program = str(target / "program")
        _run([str(root / "bin" / "go"), "build", "-mod=readonly", "-o", program, "."], folder, variables)

    return _made(f"program-{folder.name}", [GO_TOOLCHAINS, *sources], make) / "program"


def main() -> int:
    match sys.argv[1:]:
        case ["node"]:
            make = node
        case ["python", folder]:
            make = lambda: python(pathlib.Path(folder).resolve())
        case ["npm", folder]:
            make = lambda: npm(pathlib.Path(folder).resolve())
        case ["go", folder]:
            make = lambda: go(pathlib.Path(folder).resolve())
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
