"""Attacks with the commands of the client protocol, in JSON and Protobuf."""

import time

from attack import CONFIG, MIB, attack, command_row
from peer import BINARY, TEXT, frame

PROTOBUF = "/connection/websocket?cf_protocol=protobuf"

command_row("no_json", "a message that is no JSON", "3501, cut", "x" * 1000)
command_row("commas", "64 KB of commas", "3501, cut", "," * 65_000)
command_row("newlines", "64 KB of newlines", "3501, cut", "\n" * 65_000)
command_row("unasked_pongs", "20,000 pongs in one message", "3501, cut", "\n".join(["{}"] * 20_000))
command_row("connect_twice", "a second connect", "3501, cut", '{"id":2,"connect":{}}')
command_row("unknown_command", "a command that does not exist", "3501, cut", '{"id":2,"nothing":{}}')
command_row("send_command", "a message for nobody", "3508, cut", '{"send":{"data":{}}}')
command_row("deep_arrays", "data of 30,000 open brackets", "3501, cut",
            '{"id":2,"publish":{"channel":"a","data":' + "[" * 30_000)
command_row("deep_data", "data of arrays in arrays, 30,000 deep and closed", "(3501, cut|open)",
            '{"id":2,"publish":{"channel":"a","data":' + "[" * 30_000 + "]" * 30_000 + "}}")
command_row("deep_unknown", "an unknown field with objects in objects, 9,000 deep", "(3501, cut|open)",
            '{"id":2,"rpc":{},"x":' + '{"a":' * 9_000 + "1" + "}" * 9_000 + "}")
command_row("duplicate_keys", "one key 6,000 times", "open",
            '{"id":2,"rpc":{' + ",".join(['"data":{}'] * 6_000) + "}}")
command_row("duplicate_commands", "one command 3,000 times in one object", "open",
            "{" + ",".join(['"id":2'] * 3_000) + "," + ",".join(['"rpc":{}'] * 3_000) + "}")
command_row("huge_id", "an id beyond 32 bits", "3501, cut", '{"id":' + "9" * 30 + ',"rpc":{}}')
command_row("huge_exponent", "a number of 1e400000", "3501, cut", '{"id":1e400000,"rpc":{}}')
command_row("long_number", "data that is a number of 60,000 digits", "open",
            '{"id":2,"publish":{"channel":"a","data":' + "9" * 60_000 + "}}")
command_row("huge_limits", "history with the limits of 32 bits and an offset of 64", "open",
            '{"id":2,"history":{"channel":"a","limit":2147483647,"since":{"offset":18446744073709551615,"epoch":"x"}}}')
command_row("negative_limit", "history with a limit of -2147483648", ".*",
            '{"id":2,"history":{"channel":"a","limit":-2147483648}}')
command_row("data_utf8", "a publication that is not UTF-8", "1007, cut",
            b'{"id":2,"publish":{"channel":"a","data":"\xc3\x28"}}')
command_row("data_bare_cr", "a publication with a bare CR in a string", "3501, cut",
            '{"id":2,"publish":{"channel":"bystander","data":"a\rb"}}')
command_row("data_nul", "a publication with a NUL in a string", "3501, cut",
            '{"id":2,"publish":{"channel":"a","data":"a\0b"}}')
command_row("half_surrogates", "a channel of halves of surrogate pairs", "open",
            '{"id":2,"subscribe":{"channel":"' + "\\ud800" * 10 + '"}}')
command_row("long_channel", "a channel name of 60,000 characters", "open",
            '{"id":2,"subscribe":{"channel":"' + "a" * 60_000 + '"}}')
command_row("deep_filter", "a tags filter of 3,000 levels", "(3501, cut|open)",
            '{"id":2,"subscribe":{"channel":"a","tf":' + '{"op":"not","nodes":[' * 2_500 + "{}" + "]}" * 2_500 + "}}")
command_row("wide_filter", "a tags filter of 10,000 nodes", "3501, cut",
            '{"id":2,"subscribe":{"channel":"a","tf":{"op":"or","nodes":[' + ",".join(["{}"] * 10_000) + "]}}}")
command_row("crowded_message", "3,000 subscriptions in one message", "open",
            "\n".join(f'{{"id":{n},"subscribe":{{"channel":"c{n}"}}}}' for n in range(2, 1_500)))


@attack("bad_token", "a token whose signature is wrong", "3500, cut")
def bad_token(target):
    return target.say_frames(frame(TEXT, b'{"id":1,"connect":{"token":"eyJhbGciOiJIUzI1NiJ9.e30.AAAA"}}'),
                             connected=False)


@attack("giant_token", "a token of 60 KB", "3500, cut")
def giant_token(target):
    token = "eyJhbGciOiJIUzI1NiJ9." + "e30" * 20_000 + ".AAAA"
    return target.say_frames(frame(TEXT, f'{{"id":1,"connect":{{"token":"{token}"}}}}'.encode()), connected=False)


@attack("command_before_connect", "a subscription before connect", "3501, cut")
def command_before_connect(target):
    return target.say_frames(frame(TEXT, b'{"id":1,"subscribe":{"channel":"a"}}'), connected=False)


# For a moment its 1,500 requests take up to 70 times the 60 KB that they are written in.
@attack("connect_subscriptions", "a connect that wishes for 1,500 subscriptions", "3505, cut", memory=6 * MIB)
def connect_subscriptions(target):
    subs = ",".join(f'"c{n}":{{"recover":true,"offset":1}}' for n in range(1_500))
    return target.say_frames(frame(TEXT, f'{{"id":1,"connect":{{"subs":{{{subs}}}}}}}'.encode()), connected=False)


# --- Protobuf

def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, wire: int, content: bytes) -> bytes:
    return varint(number << 3 | wire) + content


def framed(command: bytes) -> bytes:
    return frame(BINARY, varint(len(command)) + command)


CONNECT = field(1, 0, varint(1)) + field(4, 2, b"\0")


def protobuf(target, data, seconds=0.3) -> str:
    peers = [target.peer().upgrade(PROTOBUF) for _ in data]
    for peer, frames in zip(peers, data, strict=True):
        peer.send(framed(CONNECT))
        peer.wait(5, lambda: peer.reader.messages)
        peer.send(frames)
    time.sleep(seconds)
    return target.endings(peers)


@attack("protobuf_lengths", "command lengths from 2^0 to 2^63, and no command", "3501, cut", attackers=64)
def protobuf_lengths(target):
    return protobuf(target, [frame(BINARY, varint(1 << power)) for power in range(64)])


@attack("protobuf_field_lengths", "lengths from 2^1 to 2^63 in three fields of every command", "3501, cut", attackers=960)
def protobuf_field_lengths(target):
    claims = [field(inner, 2, varint(1 << power)) for inner in (1, 2, 3) for power in range(1, 64, 2)]
    # The requests of a command, but for ping.
    return protobuf(target, [framed(field(1, 0, b"\2") + field(number, 2, varint(len(claim)) + claim))
                             for number in (5, 6, 7, 8, 9, 10, 12, 13, 14, 15) for claim in claims])


@attack("protobuf_numbers", "ids and numbers from 2^0 to 2^63", "open|3501, cut|3501, cut \\| open", attackers=64)
def protobuf_numbers(target):
    return protobuf(target, [framed(field(1, 0, varint(1 << power)) + field(13, 2, b"\0")) for power in range(64)])


@attack("protobuf_endless_varint", "a varint of 60,000 bytes", "3501, cut")
def protobuf_endless_varint(target):
    return protobuf(target, [frame(BINARY, b"\xff" * 60_000)])


@attack("protobuf_unknown_fields", "30,000 unknown fields", "open")
def protobuf_unknown_fields(target):
    return protobuf(target, [framed(CONNECT[:2] + field(999, 0, b"\1") * 15_000 + field(13, 2, b"\0"))])


@attack("protobuf_groups", "30,000 groups that begin and never end", "3501, cut")
def protobuf_groups(target):
    return protobuf(target, [framed(CONNECT[:2] + field(999, 3, b"") * 20_000)])


@attack("protobuf_wire_types", "wire types that do not exist, and those of other fields", "3501, cut", attackers=4)
def protobuf_wire_types(target):
    wrong = [field(1, 6, b"\1"), field(1, 7, b"\1"), field(5, 0, b"\1"), field(1, 2, b"\1a")]
    return protobuf(target, [framed(content) for content in wrong])


@attack("protobuf_text_utf8", "a channel that is not UTF-8", "3501, cut")
def protobuf_text_utf8(target):
    return protobuf(target, [framed(CONNECT[:2] + field(5, 2, b"\4" + field(1, 2, b"\2\xc3\x28")))])


@attack("protobuf_data_utf8", "a publication that is not UTF-8, to a channel of JSON", ".*",
        config={"client": CONFIG["client"]})
def protobuf_data_utf8(target):
    """Whoever reads JSON must get no text frame that is none: the bystander would end with an error."""
    content = field(1, 2, b"\x0abystander2"[:11]) + field(2, 2, b"\2\xc3\x28")
    return protobuf(target, [framed(CONNECT[:2] + field(7, 2, varint(len(content)) + content))])
