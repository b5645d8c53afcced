"""A backend over GRPC in a process of its own (grpc/serve.py), for proxies to ask."""

import dataclasses
import json
import pathlib
import queue
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = ROOT / "tests" / "conformance" / "grpc"
WAIT_SECONDS = 20

sys.path.append(str(ROOT / "tools"))
import environments  # noqa: E402


@dataclasses.dataclass
class Call:
    number: int
    method: str
    metadata: dict[str, list]
    message: bytes
    left: float | None  # seconds until its deadline


class GrpcBackend:
    def __init__(self, port: int = 0):
        command = [str(environments.python(HERE)), str(HERE / "serve.py"), str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._order_lock = threading.Lock()
        self.calls: queue.Queue = queue.Queue()
        self._prepared: queue.Queue = queue.Queue()
        self._messages: dict[int, queue.Queue] = {}  # of each call; None: given up
        self.port = json.loads(self._process.stdout.readline())["port"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "GrpcBackend":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def kill(self) -> None:
        """At once: connections just end."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()

    @property
    def endpoint(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def _read(self) -> None:
        for line in self._process.stdout:
            event = json.loads(line)
            if "call" in event:
                message = bytes.fromhex(event["message"])
                self._messages[event["call"]] = queue.Queue()  # before anybody may ask for it
                self.calls.put(Call(event["call"], event["method"], event["metadata"], message, event["left"]))
            elif "prepared" in event:
                self._prepared.put(None)
            elif "ended" in event:
                self._messages[event["ended"]].put(None)
            else:
                self._messages[event["stream"]].put(bytes.fromhex(event["message"]))

    def _order(self, **order) -> None:
        with self._order_lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def answer(self, method: str, *messages: bytes, **more) -> None:
        """What calls of the method get from now on; `status` and `hangs` as serve.py has them."""
        self._order(answer=method, messages=[message.hex() for message in messages], **more)
        self._prepared.get(timeout=WAIT_SECONDS)

    def say(self, call: Call, *messages: bytes, **more) -> None:
        """Goes on with a stream, or answers a call that hangs."""
        self._order(stream=call.number, messages=[message.hex() for message in messages], **more)

    def asked(self) -> Call:
        return self.calls.get(timeout=WAIT_SECONDS)

    def heard(self, call: Call) -> bytes | None:
        """The next message of a stream; None: the caller has given it up."""
        return self._messages[call.number].get(timeout=WAIT_SECONDS)
