"""One hostile connection: its bytes go out as they are, and what comes back tells how it ended."""

import base64
import os
import select
import socket
import struct
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
CHUNK = 262144


def frame(opcode: int, payload: bytes = b"", *, final=True, masked=True, reserved=0, claim: int | None = None,
          wide=0) -> bytes:
    """A frame of a client (RFC 6455, 5.2). `claim` is the length that it tells, `wide` the bytes to tell it in."""
    length = len(payload) if claim is None else claim
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    if wide == 8 or length > 0xFFFF:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", length)
    elif wide == 2 or length > 125:
        head += bytes([mask_bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([mask_bit | length])
    return head + (b"\0\0\0\0" if masked else b"") + payload  # a mask of zeros leaves the payload as it is


def handshake(port: int, path="/connection/websocket", extra="") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{extra}\r\n").encode()


def ready(peer, events: int, seconds: float) -> int:
    """Which of the events hold for a socket; 0 if none does in time."""
    poll = select.poll()
    poll.register(peer, events)
    return sum(found for _, found in poll.poll(seconds * 1000))


class Reader:
    """Takes apart what a server says: HTTP answers, and behind a 101 the frames of a WebSocket."""

    def __init__(self):
        self.said = []  # statuses of answers but 101, and the code of a close frame
        self.messages = []
        self.pongs = 0
        self.is_websocket = False
        self.is_told = False  # that this is the end
        self._input = bytearray()

    def feed(self, data: bytes) -> None:
        self._input += data
        while self._take_frame() if self.is_websocket else self._take_answer():
            pass

    def _take_answer(self) -> bool:
        end = self._input.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self._input[:end]).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        size = end + 4 + int(fields.get("content-length", 0))
        if len(self._input) < size:
            return False
        del self._input[:size]
        status = lines[0].split(" ")[1]
        if status == "101":
            self.is_websocket = True
        else:
            self.said.append(status)
        self.is_told |= fields.get("connection") == "close"
        return True

    def _take_frame(self) -> bool:
        data = self._input
        if len(data) < 2:
            return False
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + length:
            return False
        opcode, payload = data[0] & 0x0F, bytes(data[start:start + length])
        del self._input[:start + length]
        if opcode == CLOSE:
            self.said.append(str(int.from_bytes(payload[:2], "big")) if payload else "1005")
            self.is_told = True
        elif opcode == PONG:
            self.pongs += 1
        elif opcode != PING:
            self.messages.append(payload)
        return True


class Peer:
    """Never answers a ping or a close frame by itself."""

    def __init__(self, port: int, receive_buffer: int = 0, timeout: float = 20):
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(timeout)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = time.monotonic()
        self.reader = Reader()
        self.told: float | None = None  # seconds until the server said that this is the end
        self.gone: float | None = None  # until it closed the connection

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> bool:
        """False if the server has gone meanwhile."""
        try:
            self._socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            return False

    def send_some(self, data: bytes) -> int:
        """As much as there is room for; -1 if the server has gone."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return -1

    def read(self) -> bool:
        """What is there. False once the connection is gone."""
        try:
            data = self._socket.recv(CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self._note_end()
            return False
        self.reader.feed(data)
        if self.reader.is_told and self.told is None:
            self.told = time.monotonic() - self.began
        return True

    def _note_end(self) -> None:
        if self.gone is None:
            self.gone = time.monotonic() - self.began

    def wait(self, seconds: float, condition=lambda: False) -> bool:
        """Reads until the condition holds, the connection is gone, or the time is up. True if the condition holds."""
        deadline = time.monotonic() + seconds
        while self.gone is None and not condition():
            if ready(self, select.POLLIN, max(deadline - time.monotonic(), 0)):
                self.read()
            elif time.monotonic() >= deadline:
                break
        return condition()

    def ending(self, seconds: float = 0.0) -> str:
        """How it stands: what was said, and whether the connection is cut. One that is told of its end is waited for."""
        self.wait(seconds, lambda: self.reader.is_told)
        if self.reader.is_told:
            self.wait(7)
        return self.standing()

    def standing(self) -> str:
        said = " ".join(dict.fromkeys(self.reader.said))
        return ", ".join(filter(None, [said, "open" if self.gone is None else "cut"]))

    def upgrade(self, path="/connection/websocket", extra="") -> "Peer":
        port = self._socket.getpeername()[1]
        self.send(handshake(port, path, extra))
        self.wait(20, lambda: self.reader.is_websocket or self.reader.said)
        return self

    def connect(self) -> "Peer":
        """A WebSocket with a session behind it."""
        self.upgrade()
        self.send(frame(TEXT, b'{"id":1,"connect":{}}'))
        self.wait(20, lambda: self.reader.messages or self.reader.is_told)
        return self

    def finish_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Away without a goodbye: the server gets a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        self._socket.close()
