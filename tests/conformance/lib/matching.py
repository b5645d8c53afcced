"""Compares what the server says with what was recorded.

Ids, epochs and times differ from run to run. A *binding* remembers which value of this run stands for which recorded
one: the same recorded epoch must come back as the same epoch, a different one as a different one, and what the
recording sends back to the server is rewritten with the bindings of this run.
"""

import base64
import hashlib
import hmac
import json
import re
import time

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
EPOCH = re.compile(r"^[A-Za-z0-9]{1,16}$")
VERSION = re.compile(r"^6\.9\.1 Gyre/\d+\.\d+\.\d+")
FAR_EXPIRATION = 4102444800  # the `exp` of tokens that the recordings call valid
YEAR_SECONDS = 31536000
FRESH_SECONDS = 2  # lifetime of a token that was valid only while recording
SLACK_SECONDS = 5


class Mismatch(AssertionError):
    pass


class Bindings:
    def __init__(self):
        self.actual = {}
        self.recorded = {}

    def bind(self, kind: str, recorded: str, actual: str, where: str) -> None:
        known = self.actual.setdefault((kind, recorded), actual)
        back = self.recorded.setdefault((kind, actual), recorded)
        if known != actual or back != recorded:
            raise Mismatch(
                f"{where}: {kind} {actual!r} stands for {back!r}, and {recorded!r} was {known!r}"
            )

    def rewrite(self, text: str) -> str:
        for (_, recorded), actual in self.actual.items():
            text = text.replace(recorded, actual)
        return text

    def rewrite_bytes(self, data: bytes) -> bytes:
        for (_, recorded), actual in self.actual.items():
            if recorded.encode() in data and len(recorded) != len(actual):
                raise Mismatch(f"{actual!r} has not the length of {recorded!r}: {data.hex()}")
            data = data.replace(recorded.encode(), actual.encode())
        return data


def compare(recorded, actual, bindings: Bindings, where: str = "message") -> None:
    """Raises Mismatch with the path of the first difference."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        _compare_objects(recorded, actual, bindings, where)
    elif isinstance(recorded, list) and isinstance(actual, list):
        if len(recorded) != len(actual):
            raise Mismatch(f"{where}: {len(actual)} elements instead of {len(recorded)}: {actual}")
        for index, (left, right) in enumerate(zip(recorded, actual, strict=True)):
            compare(left, right, bindings, f"{where}[{index}]")
    elif recorded != actual or type(recorded) is not type(actual):
        raise Mismatch(f"{where}: {actual!r} instead of {recorded!r}")


def _compare_objects(recorded: dict, actual: dict, bindings: Bindings, where: str) -> None:
    recorded = {_key(key, recorded, actual, bindings, where): v for key, v in recorded.items()}
    if recorded.keys() != actual.keys():
        missing, extra = recorded.keys() - actual.keys(), actual.keys() - recorded.keys()
        raise Mismatch(f"{where}: missing {sorted(missing)}, unexpected {sorted(extra)}: {actual}")
    for key, value in recorded.items():
        _compare_field(key, value, actual[key], bindings, f"{where}.{key}")


def _key(key: str, recorded: dict, actual: dict, bindings: Bindings, where: str) -> str:
    """Presence is keyed by client ids."""
    if not UUID.match(key):
        return key
    if ("client", key) in bindings.actual:
        return bindings.actual["client", key]
    unknown = [k for k in actual if UUID.match(k) and ("client", k) not in bindings.recorded]
    if len(unknown) == 1:
        bindings.bind("client", key, unknown[0], where)
        return unknown[0]
    return key


def _compare_field(key: str, recorded, actual, bindings: Bindings, where: str) -> None:
    shape = {"client": UUID, "session": UUID, "node": UUID, "uid": UUID, "epoch": EPOCH}.get(key)
    if shape is not None and isinstance(recorded, str) and recorded:
        if not isinstance(actual, str) or not shape.match(actual):
            raise Mismatch(f"{where}: {actual!r} is not like {recorded!r}")
        bindings.bind("client" if key == "client" else key, recorded, actual, where)
    elif key == "version" and isinstance(recorded, str) and recorded.endswith(" OSS"):
        if not VERSION.match(str(actual)):
            raise Mismatch(f"{where}: {actual!r} is not a version of this server")
    elif key == "ttl":
        _compare_ttl(int(recorded), int(actual), where)
    elif key == "time":
        if abs(int(actual) / 1000 - time.time()) > 60:
            raise Mismatch(f"{where}: {actual} is not the time of day in milliseconds")
    else:
        compare(recorded, actual, bindings, where)


def _compare_ttl(recorded: int, actual: int, where: str) -> None:
    expected, slack = recorded, 0
    if recorded > YEAR_SECONDS:
        expected, slack = FAR_EXPIRATION - int(time.time()), SLACK_SECONDS
    elif recorded <= FRESH_SECONDS:
        slack = 1  # whole seconds of a clock that ran on between signing and answering
    if abs(expected - actual) > slack:
        raise Mismatch(f"{where}: ttl {actual} instead of {expected}")


_TOKEN = re.compile(r"\b([\w-]+)\.([\w-]+)\.([\w-]+)")
_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims: dict | str, secret: str = "secret", algorithm: str = "HS256") -> str:
    payload = claims if isinstance(claims, str) else json.dumps(claims)
    header = json.dumps({"alg": algorithm, "typ": "JWT"}, separators=(",", ":"))
    signed = base64_text(header.encode()) + "." + base64_text(payload.encode())
    digest = hmac.new(secret.encode(), signed.encode(), _HASHES[algorithm]).digest()
    return signed + "." + base64_text(digest)


def is_stale(seconds) -> bool:
    """Was this a moment shortly after the recording was made? (2100 is far, 2020 is the recordings' past.)"""
    return isinstance(seconds, int) and 1700000000 < seconds < FAR_EXPIRATION


def refresh_tokens(text: str, bindings: Bindings, secrets: list[str]) -> str:
    """Signs tokens again whose claims name a client of the recording or a moment that has passed since."""

    def again(match: re.Match) -> str:
        try:
            header = json.loads(unbase64(match[1]))
            payload = unbase64(match[2]).decode()
            claims = json.loads(payload)
        except ValueError:
            return match[0]
        if not isinstance(header, dict) or header.get("alg") not in _HASHES:
            return match[0]
        for name in ("exp", "expire_at"):
            if isinstance(claims, dict) and is_stale(claims.get(name)):
                fresh = int(time.time()) + FRESH_SECONDS
                payload = payload.replace(str(claims[name]), str(fresh))
        payload = bindings.rewrite(payload)
        if payload == unbase64(match[2]).decode():
            return match[0]
        for secret in secrets:
            if sign(unbase64(match[2]).decode(), secret, header["alg"]) == match[0]:
                return sign(payload, secret, header["alg"])
        raise Mismatch(f"no secret of the configuration signs {match[0]}")

    return _TOKEN.sub(again, text)
