"""The client protocol in Protobuf, from the tables of the protocol (framing.md, section 3), strict in what it decodes.

Generated classes would forgive unknown fields and wrong wire types; the server must not send either. proxy_protocol.py
adds the messages of another protocol.
"""

import base64
import json

# message: {number: (name, type)}; a type in capitals is a message, "TYPE*" is repeated, "<TYPE>" a map from strings.
_INFO = {1: ("user", "string"), 2: ("client", "string"), 3: ("conn_info", "bytes"), 4: ("chan_info", "bytes")}
_SUBSCRIBE_RESULT = {
    1: ("expires", "bool"), 2: ("ttl", "uint"), 3: ("recoverable", "bool"), 6: ("epoch", "string"),
    7: ("publications", "PUBLICATION*"), 8: ("recovered", "bool"), 9: ("offset", "uint"),
    10: ("positioned", "bool"), 11: ("data", "bytes"), 12: ("was_recovering", "bool"), 13: ("delta", "bool"),
    14: ("id", "uint"), 15: ("type", "uint"), 16: ("phase", "uint"), 17: ("cursor", "string"),
    18: ("state", "PUBLICATION*"), 19: ("publish_debounce", "uint"),
}  # fmt: skip
MESSAGES = {
    "REPLY": {
        1: ("id", "uint"), 2: ("error", "ERROR"), 4: ("push", "PUSH"), 5: ("connect", "CONNECT"),
        6: ("subscribe", "SUBSCRIBE"), 7: ("unsubscribe", "EMPTY"), 8: ("publish", "EMPTY"),
        9: ("presence", "PRESENCE"), 10: ("presence_stats", "PRESENCE_STATS"), 11: ("history", "HISTORY"),
        13: ("rpc", "DATA"), 14: ("refresh", "REFRESH"), 15: ("sub_refresh", "SUB_REFRESH"),
    },
    "ERROR": {1: ("code", "uint"), 2: ("message", "string"), 3: ("temporary", "bool")},
    "PUSH": {
        2: ("channel", "string"), 4: ("pub", "PUBLICATION"), 5: ("join", "JOIN"), 6: ("leave", "JOIN"),
        7: ("unsubscribe", "UNSUBSCRIBE"), 8: ("message", "DATA"), 9: ("subscribe", "SUBSCRIBE_PUSH"),
        11: ("disconnect", "DISCONNECT"), 12: ("refresh", "REFRESH_PUSH"),
    },
    "INFO": _INFO,
    "PUBLICATION": {
        4: ("data", "bytes"), 5: ("info", "INFO"), 6: ("offset", "uint"), 7: ("tags", "<string>"),
        8: ("delta", "bool"), 10: ("channel", "string"), 11: ("key", "string"), 12: ("removed", "bool"), 13: ("score", "uint"),
        14: ("epoch", "string"), 16: ("version", "uint"),
    },
    "JOIN": {1: ("info", "INFO")},
    "UNSUBSCRIBE": {2: ("code", "uint"), 3: ("reason", "string")},
    "SUBSCRIBE_PUSH": {
        1: ("recoverable", "bool"), 4: ("epoch", "string"), 5: ("offset", "uint"),
        6: ("positioned", "bool"), 7: ("data", "bytes"),
    },
    "DATA": {1: ("data", "bytes")},
    "DISCONNECT": {1: ("code", "uint"), 2: ("reason", "string"), 3: ("reconnect", "bool")},
    "REFRESH_PUSH": {1: ("expires", "bool"), 2: ("ttl", "uint")},
    "CONNECT": {
        1: ("client", "string"), 2: ("version", "string"), 3: ("expires", "bool"), 4: ("ttl", "uint"),
        5: ("data", "bytes"), 6: ("subs", "<SUBSCRIBE>"), 7: ("ping", "uint"), 8: ("pong", "bool"),
        9: ("session", "string"), 10: ("node", "string"), 11: ("time", "uint"),
    },
    "SUBSCRIBE": _SUBSCRIBE_RESULT,
    "EMPTY": {},
    "PRESENCE": {1: ("presence", "<INFO>")},
    "PRESENCE_STATS": {1: ("num_clients", "uint"), 2: ("num_users", "uint")},
    "HISTORY": {1: ("publications", "PUBLICATION*"), 2: ("epoch", "string"), 3: ("offset", "uint")},
    "REFRESH": {3: ("expires", "bool"), 4: ("ttl", "uint")},
    "SUB_REFRESH": {1: ("expires", "bool"), 2: ("ttl", "uint"), 3: ("items", "PUBLICATION*")},
}  # fmt: skip


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a varint is cut short or too long")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def frame_messages(frame: bytes) -> list[bytes]:
    """Cuts a frame by the length in front of each message (framing.md 2.2)."""
    messages, at = [], 0
    while at < len(frame):
        length, at = varint(frame, at)
        if at + length > len(frame):
            raise ValueError("a message is longer than its frame")
        messages.append(frame[at : at + length])
        at += length
    return messages


def decode(data: bytes, message: str = "REPLY") -> dict:
    fields, result, at = MESSAGES[message], {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number not in fields:
            raise ValueError(f"{message} has no field {number}")
        name, kind = fields[number]
        if wire != (0 if kind in ("uint", "bool") else 2):
            raise ValueError(f"{message}.{name} has wire type {wire}")
        value, at = varint(data, at)
        if wire == 2:
            if at + value > len(data):
                raise ValueError(f"{message}.{name} is longer than its message")
            value, at = data[at : at + value], at + value
        _store(result, name, kind, value)
    return result


def _store(result: dict, name: str, kind: str, value) -> None:
    if kind.endswith("*"):
        result.setdefault(name, []).append(_value(kind[:-1], value))
    elif kind.startswith("<"):
        key, entry = _map_entry(value, kind[1:-1])
        result.setdefault(name, {})[key] = entry
    elif name in result:
        raise ValueError(f"{name} twice")
    else:
        result[name] = _value(kind, value)


def _value(kind: str, value):
    if kind == "bool":
        return bool(value)
    if kind == "string":
        return value.decode()
    if kind == "bytes":
        return base64.b64encode(value).decode()
    return decode(value, kind) if kind.isupper() else value


def _map_entry(data: bytes, kind: str):
    entry, at = {1: b"", 2: b""}, 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag not in (0x0A, 0x12):
            raise ValueError(f"a map entry has the tag {tag}")
        length, at = varint(data, at)
        entry[tag >> 3], at = data[at : at + length], at + length
    return entry[1].decode(), _value(kind, entry[2])


def encode(fields: dict, message: str) -> bytes:
    """The other way: bytes are bytes here, and what stands in their place is written as JSON."""
    result = b""
    for number, (name, kind) in MESSAGES[message].items():
        if name not in fields:
            continue
        value = fields[name]
        if kind.endswith("*"):
            result += b"".join(_field(number, kind[:-1], entry) for entry in value)
        elif kind.startswith("<"):
            pairs = [_field(1, "string", key) + _field(2, kind[1:-1], entry) for key, entry in value.items()]
            result += b"".join(_field(number, "bytes", pair) for pair in pairs)
        else:
            result += _field(number, kind, value)
    return result


def _field(number: int, kind: str, value) -> bytes:
    if kind in ("uint", "bool"):
        return _varint(number << 3) + _varint(int(value))
    if kind == "string":
        value = value.encode()
    elif kind.isupper():
        value = encode(value, kind)
    elif not isinstance(value, bytes):
        value = json.dumps(value).encode()
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    result = b""
    while value > 0x7F:
        result += bytes([value & 0x7F | 0x80])
        value >>= 7
    return result + bytes([value])
