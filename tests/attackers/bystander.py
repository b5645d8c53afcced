"""The well-behaved client beside an attacker: subscribes, publishes over the API, and holds the server to it that every
publication comes, once, in order. Runs in a process of its own, so that the attacker's work is not in its latencies."""

import json
import multiprocessing
import os
import socket
import time

from peer import TEXT, Peer, frame

LATE_SECONDS = 20  # a publication that has not come by then is lost; generous, for a machine that does much else


class Failed(AssertionError):
    pass


class _Loop:
    """The process: one publication at a time, each due `interval` after the one before."""

    def __init__(self, port: int, key: str, interval: float):
        self._interval = interval
        self._sequence = 0
        self._subscriber = Peer(port).connect()
        self._subscriber.send(frame(TEXT, b'{"id":2,"subscribe":{"channel":"bystander"}}'))
        if not self._subscriber.wait(LATE_SECONDS, lambda: len(self._subscriber.reader.messages) == 2):
            raise Failed(f"could not subscribe: {self._subscriber.ending()}")
        self._subscriber.reader.messages.clear()
        self._api = socket.create_connection(("127.0.0.1", port), timeout=LATE_SECONDS)
        self._api.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (f"POST /api/publish HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-API-Key: {key}\r\n"
                      "Content-Length: ")
        self.latencies = []

    def run(self, orders) -> None:
        due = time.monotonic()
        while True:
            if orders.poll():
                if orders.recv() == "end":
                    return
                orders.send(self.latencies)
                self.latencies = []
            due = max(due + self._interval, time.monotonic() - 1)  # after a second's stall it goes on from there
            time.sleep(max(due - time.monotonic(), 0))
            self._publish(due)

    def _publish(self, due: float) -> None:
        self._sequence += 1
        body = f'{{"channel":"bystander","data":{{"n":{self._sequence}}}}}'
        self._api.sendall(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
        self._await_publication()
        self.latencies.append(time.monotonic() - due)
        answer = b""
        while b"}" not in answer.partition(b"\r\n\r\n")[2]:
            more = self._api.recv(4096)
            if not more:
                raise Failed("the API's connection was cut")
            answer += more
        if not answer.startswith(b"HTTP/1.1 200 ") or b'{"result":' not in answer:
            raise Failed(f"the API answered {answer!r}")

    def _await_publication(self) -> None:
        reader = self._subscriber.reader
        while True:
            if not self._subscriber.wait(LATE_SECONDS, lambda: reader.messages):
                raise Failed(f"publication {self._sequence} did not come: {self._subscriber.ending()}")
            lines = b"\n".join(reader.messages).split(b"\n")
            reader.messages.clear()
            if b"{}" in lines:  # the server's ping
                self._subscriber.send(frame(TEXT, b"{}"))
                lines.remove(b"{}")
            if not lines:
                continue
            if len(lines) > 1 or json.loads(lines[0])["push"]["pub"]["data"] != {"n": self._sequence}:
                raise Failed(f"publication {self._sequence} was awaited, and {lines!r} came")
            return


def _main(port: int, key: str, interval: float, orders) -> None:
    failure = None
    try:
        loop = _Loop(port, key, interval)
        orders.send("ready")
        loop.run(orders)
    except (Failed, OSError, ValueError, LookupError) as error:
        failure = f"{type(error).__name__}: {error}"
    orders.send(failure)
    os._exit(0)  # what was forked with this process is not its to clean up


class Bystander:
    def __init__(self, port: int, key: str, interval: float):
        context = multiprocessing.get_context("fork")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(port, key, interval, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._expect("ready")

    def _expect(self, kind):
        """The next thing that it says; anything but what was asked for is how it has failed."""
        if not self._orders.poll(3 * LATE_SECONDS):
            raise Failed("the well-behaved client says nothing")
        said = self._orders.recv()
        if isinstance(said, str) and said != kind:
            raise Failed(f"the well-behaved client: {said}")
        return said

    def latencies(self) -> list[float]:
        """Of the publications since the last call. Fails if one was lost, doubled or out of order."""
        self._orders.send("latencies")
        return self._expect("latencies")

    def end(self) -> None:
        self._orders.send("end")
        if (failure := self._expect("end")) is not None:
            raise Failed(failure)
        self._process.join()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
