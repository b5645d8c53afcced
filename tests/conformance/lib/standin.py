"""What the stand-ins for a server have in common: the server's side of WebSocket frames, and other ids than recorded."""

import base64
import hashlib
import re
import uuid

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def accept_key(key: bytes) -> str:
    """RFC 6455, 4.2.2."""
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode()


def read_frame(stream) -> tuple[int, bytes]:
    head = stream.read(2)
    if len(head) < 2:
        raise OSError("hung up")
    length = head[1] & 0x7F
    if length >= 126:
        length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
    mask = stream.read(4)
    data = bytes(byte ^ mask[i & 3] for i, byte in enumerate(stream.read(length)))
    return head[0] & 0x0F, data


def write_frame(stream, opcode: int, data: bytes) -> None:
    head = bytes([0x80 | opcode])
    small = len(data) < 126
    head += bytes([len(data)]) if small else bytes([126]) + len(data).to_bytes(2, "big")
    stream.write(head + data)
    stream.flush()


class Names:
    """Ids and epochs of a recording, changed as a new run changes them."""

    def __init__(self):
        self.names = {}
        self.epochs = 0

    def renamed(self, text: str) -> str:
        text = ID.sub(lambda m: self.names.setdefault(m[0], str(uuid.uuid4())), text)
        text = re.sub(r'(?<="epoch":")[A-Za-z]{8}(?=")', self._epoch, text)
        return text.replace("0.0.0 OSS", "6.9.1 Gyre/0.1.0")

    def recorded(self, text: str) -> str:
        for recorded, new in self.names.items():
            text = text.replace(new, recorded)
        return text

    def _epoch(self, match: re.Match) -> str:
        if match[0] not in self.names:
            self.epochs += 1
            self.names[match[0]] = f"Epoch{self.epochs:03}"
        return self.names[match[0]]
