"""A strict JSON parser that keeps what JSON libraries throw away: the source text of payloads and of numbers.

The protocol splices `data` and its kind verbatim (framing.md 2.1), so 1E5 and 100000 are different answers.
"""

import json
import re

RAW_KEYS = frozenset({"data", "conn_info", "chan_info"})
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_WORDS = {"true": True, "false": False, "null": None}


class Raw(str):
    """The source text of a payload."""

    def __repr__(self):
        return f"Raw({str.__repr__(self)})"


class Number(str):
    """A number as it was written."""

    def __repr__(self):
        return f"Number({str(self)})"


class Parser:
    def __init__(self, text: str, raw_keys=RAW_KEYS):
        self.text, self.position, self.raw_keys = text, 0, raw_keys

    def document(self):
        value = self.value()
        self.space()
        if self.position != len(self.text):
            raise ValueError(f"text after the value: {self.text[self.position:]!r}")
        return value

    def space(self):
        self.position = _SPACE.match(self.text, self.position).end()

    def take(self, pattern, what):
        match = pattern.match(self.text, self.position)
        if match is None:
            raise ValueError(f"{what} expected at {self.position} of {self.text!r}")
        self.position = match.end()
        return match.group()

    def expect(self, mark):
        if not self.text.startswith(mark, self.position):
            raise ValueError(f"{mark!r} expected at {self.position} of {self.text!r}")
        self.position += len(mark)

    def value(self):
        self.space()
        first = self.text[self.position : self.position + 1]
        if first == "{":
            return self.object()
        if first == "[":
            return self.array()
        if first == '"':
            return json.loads(self.take(_STRING, "string"))
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.position):
                self.position += len(word)
                return value
        return Number(self.take(_NUMBER, "value"))

    def object(self):
        result = {}
        self.expect("{")
        self.space()
        while not self.text.startswith("}", self.position):
            if result:
                self.expect(",")
                self.space()
            key = json.loads(self.take(_STRING, "key"))
            self.space()
            self.expect(":")
            self.space()
            if key in result and self.raw_keys:
                raise ValueError(f"key {key!r} twice in {self.text!r}")
            result[key] = self.payload() if key in self.raw_keys else self.value()
            self.space()
        self.position += 1
        return result

    def payload(self):
        begin, outer = self.position, self.raw_keys
        self.raw_keys = frozenset()  # repeated keys in a payload are the publisher's business
        self.value()
        self.raw_keys = outer
        return Raw(self.text[begin : self.position])

    def array(self):
        result = []
        self.expect("[")
        self.space()
        while not self.text.startswith("]", self.position):
            if result:
                self.expect(",")
            result.append(self.value())
            self.space()
        self.position += 1
        return result


def parse(text: str):
    """A protocol message: payloads as Raw, numbers as Number."""
    return Parser(text).document()


def parse_plain(text: str):
    """An API answer, where the layout of payloads does not matter; numbers still as written."""
    return Parser(text, frozenset()).document()
