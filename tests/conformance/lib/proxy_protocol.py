"""The messages of proto/proxy.proto, with values in the place of the bytes that hold JSON."""

import base64
import json
import pathlib
import re

import protobuf

DEFINITION = pathlib.Path(__file__).resolve().parents[3] / "proto" / "proxy.proto"
PREFIX = "PROXY_"  # some names are those of the client protocol too
SCALARS = {"string": "string", "bytes": "bytes", "bool": "bool", "int64": "uint", "uint32": "uint", "uint64": "uint"}
OF_JSON = {"data", "info", "meta"}
MESSAGE = re.compile(r"^message (\w+) \{(.*?)\}$", re.M | re.S)
FIELD = re.compile(r"^  (repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+);", re.M)


def _kind(name: str) -> str:
    return SCALARS.get(name) or PREFIX + name.upper()


def _tables() -> dict:
    return {
        PREFIX + name.upper(): {
            int(number): (field, f"<{_kind(entry)}>" if entry else _kind(plain) + ("*" if repeated else ""))
            for repeated, entry, plain, field, number in FIELD.findall(body)
        }
        for name, body in MESSAGE.findall(DEFINITION.read_text())
    }


protobuf.MESSAGES.update(_tables())


def _readable(value):
    if not isinstance(value, dict):
        return value
    return {
        name: json.loads(base64.b64decode(entry)) if name in OF_JSON else _readable(entry)
        for name, entry in value.items()
    }


def decode(data: bytes, message: str) -> dict:
    return _readable(protobuf.decode(data, PREFIX + message.upper()))


def encode(fields: dict, message: str) -> bytes:
    return protobuf.encode(fields, PREFIX + message.upper())
