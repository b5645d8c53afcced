"""A TCP relay between an SDK and the server: the network that a test can break."""

import contextlib
import socket
import threading

CHUNK_BYTES = 65536


class Relay:
    """Listens on its own port and forwards to another. One thread for each direction of each connection."""

    def __init__(self, port: int):
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_down = False
        self._forwarded = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_) -> None:
        self.down()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def down(self) -> None:
        """Cuts every connection, without a word of WebSocket, and every later one at once."""
        with self._lock:
            self._is_down = True
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        with self._lock:
            self._is_down = False

    def forwarded(self) -> int:
        """How many bytes have gone to clients. Each is counted before a client can have it."""
        with self._lock:
            return self._forwarded

    def _count(self, size: int) -> None:
        with self._lock:
            self._forwarded += size

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                if self._is_down:
                    client.close()
                    server.close()
                    continue
                self._open |= {client, server}
            pump = Pump(client, server, self._closed)
            for source, sink, count in ((client, server, None), (server, client, self._count)):
                threading.Thread(target=pump.run, args=(source, sink, count), daemon=True).start()

    def _closed(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
            for end in ends:
                end.close()


class Pump:
    """Both directions of one connection; the second one to end closes both sockets."""

    def __init__(self, client: socket.socket, server: socket.socket, closed):
        self._ends = (client, server)
        self._closed = closed
        self._lock = threading.Lock()
        self._running = len(self._ends)

    def run(self, source: socket.socket, sink: socket.socket, count=None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if count is not None:
                    count(len(data))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            self._running -= 1
            is_last = self._running == 0
        if is_last:
            self._closed(*self._ends)
