#!/usr/bin/env python3
"""announce.py PID CONFIG: waits until the server with this process id answers, then prints where its parts are.

Ends silently if the server ends first. CONFIG is the server's JSON configuration; the environment is believed about
GYRE_DEMO_DIRECTORY, as the server does.
"""

import http.client
import json
import os
import pathlib
import select
import shlex
import sys

POLL_MILLISECONDS = 50
ANSWER_SECONDS = 2
CHANNEL = "demo"


def healthy(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_for_health(pid: int, address: str, port: int) -> bool:
    """Whether the server answered before it ended. The wait between two looks is a wait for its end."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    poll = select.poll()
    poll.register(process, select.POLLIN)
    while not healthy(address, port):
        if poll.poll(POLL_MILLISECONDS):
            return False
    return not poll.poll(0)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    config = json.loads(pathlib.Path(sys.argv[2]).read_text())
    listen = config.get("http_server", {})
    address, port = listen.get("address") or "127.0.0.1", int(listen.get("port", 8000))
    if not wait_for_health(int(sys.argv[1]), address, port):
        return 0

    site = f"{address}:{port}"
    key = config.get("http_api", {}).get("key", "")
    request = json.dumps({"channel": CHANNEL, "data": {"text": "Hello from the API"}})
    command = ["curl", "-H", f"X-API-Key: {key}", "-d", request, f"http://{site}/api/publish"]
    has_demo = bool(os.environ.get("GYRE_DEMO_DIRECTORY"))
    rows = [
        ("Demo page", f"http://{site}/demo" if has_demo else "not built"),
        ("WebSocket", f"ws://{site}/connection/websocket"),
        ("API", f"http://{site}/api (X-API-Key: {key})"),
        ("Metrics", f"http://{site}/metrics"),
    ]
    table = "\n".join(f"  {name:<11}{place}" for name, place in rows)
    print(f"\nGyre serves.\n{table}\n\n  Publish to the demo page:\n  {shlex.join(command)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
