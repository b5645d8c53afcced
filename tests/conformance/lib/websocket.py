"""A WebSocket client that shows everything: frames as they came, the close frame, a socket that just ended."""

import base64
import dataclasses
import os
import select
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
ABNORMAL = 1006  # RFC 6455, 7.4.1: the connection ended without a close frame
NO_STATUS = 1005


@dataclasses.dataclass
class Closed:
    code: int
    reason: str


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, status: int, head: str):
        super().__init__(head)
        self.status = status


class WebSocket:
    def __init__(self, port, path="/connection/websocket", subprotocols=(), headers=None):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = b""
        self._fragments = []
        self.pings = 0
        self.closed: Closed | None = None
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
        ]
        if subprotocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(subprotocols))
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self._input:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise Refused(0, self._input.decode(errors="replace"))
            self._input += chunk
        head, self._input = self._input.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        self.headers = {
            name.strip().lower(): value.strip()
            for name, value in (field.split(":", 1) for field in fields)
        }
        code = int(status.split(" ")[1])
        if code != 101:
            self._socket.close()
            raise Refused(code, head.decode())

    @property
    def subprotocol(self) -> str:
        return self.headers.get("sec-websocket-protocol", "")

    def send(self, payload: bytes, opcode: int) -> None:
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", len(payload))
        masked = bytes(byte ^ mask[i & 3] for i, byte in enumerate(payload))
        try:
            self._socket.sendall(head + mask + masked)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the reading side tells how the connection ended

    def receive(self, timeout: float) -> bytes | Closed | None:
        """The next message, how the connection ended, or None if nothing came in time."""
        deadline = time.monotonic() + timeout
        while True:
            message = self._take_frame()
            if message is not None:
                return message
            if self.closed is not None:
                return self.closed
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                return None
            try:
                chunk = self._socket.recv(262144)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                self._end(Closed(ABNORMAL, ""))
            self._input += chunk

    def _take_frame(self) -> bytes | Closed | None:
        while self.closed is None:
            frame = self._parse()
            if frame is None:
                return None
            final, opcode, payload = frame
            if opcode == PING:
                self.pings += 1
                self.send(payload, PONG)
            elif opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else NO_STATUS
                self.send(payload[:2], CLOSE)
                self._end(Closed(code, payload[2:].decode()))
                return self.closed
            elif opcode != PONG:
                self._fragments.append(payload)
                if final:
                    message = b"".join(self._fragments)
                    self._fragments = []
                    return message
        return None

    def _parse(self):
        data = self._input
        if len(data) < 2:
            return None
        assert data[0] & 0x70 == 0, "reserved bits without an extension (RFC 6455, 5.2)"
        assert data[1] & 0x80 == 0, "a server's frame must not be masked (RFC 6455, 5.1)"
        length, offset = data[1] & 0x7F, 2
        if length == 126:
            length, offset = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, offset = int.from_bytes(data[2:10], "big"), 10
        if len(data) < offset or len(data) < offset + length:
            return None
        self._input = data[offset + length :]
        return bool(data[0] & 0x80), data[0] & 0x0F, data[offset : offset + length]

    def _end(self, how: Closed) -> None:
        self.closed = how
        self._socket.close()

    def close(self, code: int | None = None) -> None:
        """Closes from our side and waits until the server has let go of the connection."""
        if self.closed is not None:
            return
        self.send(b"" if code is None else struct.pack(">H", code), CLOSE)
        deadline = time.monotonic() + 5
        while self.closed is None and time.monotonic() < deadline:
            self.receive(deadline - time.monotonic())
        if self.closed is None:
            self._end(Closed(ABNORMAL, ""))

    def abort(self) -> None:
        if self.closed is None:
            self._end(Closed(ABNORMAL, ""))
