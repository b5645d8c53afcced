#!/usr/bin/env python3
"""Checks gyre_bench_load against a small server that loses, repeats and swaps publications on purpose.

A load generator whose checks cannot fail proves nothing. This server speaks just enough of the client
protocol (JSON and Protobuf) and of the HTTP API; each case says what the generator must report.

usage: load_selftest.py PATH/TO/gyre_bench_load
"""
import asyncio
import json
import sys

SECONDS = 0.4


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def parse_fields(data):
    fields, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        size, at = read_varint(data, at)
        if tag & 7 == 2:
            fields[tag >> 3] = data[at:at + size]
            at += size
        else:
            fields[tag >> 3] = size
    return fields


class Json:
    opcode = 0x81
    ping = b"{}"

    def commands(self, payload):
        for line in payload.split(b"\n"):
            command = json.loads(line)
            name = next((key for key in ("connect", "subscribe", "publish") if key in command), None)
            request = command.get(name, {})
            yield name, command.get("id", 0), request.get("channel", "").encode(), request.get("offset")

    def push(self, channel, data):
        return b'{"push":{"channel":"%s","pub":{"data":%s}}}' % (channel, data)

    def subscribed(self, number, publications, position):
        result = {"epoch": "e1", "offset": position, "recoverable": True, "positioned": True}
        text = json.dumps({"id": number, "subscribe": result}, separators=(",", ":")).encode()
        missed = b",".join(b'{"data":%s}' % data for data in publications)
        return text[:-2] + b',"publications":[' + missed + b"]}}"

    def published(self, number):
        return b'{"id":%d,"publish":{}}' % number

    def connected(self, number):
        return b'{"id":%d,"connect":{"client":"c","version":"1 OSS"}}' % number

    def join(self, messages):
        return b"\n".join(messages)


class Protobuf:
    opcode = 0x82
    ping = b""

    def commands(self, payload):
        at = 0
        while at < len(payload):
            size, at = read_varint(payload, at)
            command = parse_fields(payload[at:at + size])
            at += size
            name = "connect" if 4 in command else "subscribe" if 5 in command else "publish" if 7 in command else None
            request = parse_fields(command.get(5, b""))
            offset = request.get(7, 0) if 3 in request else None
            yield name, command.get(1, 0), request.get(1, b""), offset

    def push(self, channel, data):
        return field(4, field(2, channel) + field(4, field(4, data)))

    def subscribed(self, number, publications, position):
        missed = b"".join(field(7, field(4, data)) for data in publications)
        return field(1, number) + field(6, missed + field(9, position))

    def published(self, number):
        return field(1, number) + field(8, b"")

    def connected(self, number):
        return field(1, number) + field(5, field(1, b"c"))

    def join(self, messages):
        return b"".join(varint(len(message)) + message for message in messages)


class Server:
    """Broken as told: `fault` names what happens to every 50th publication of the first subscriber."""

    def __init__(self, fault=None, split=False):
        self.fault, self.split = fault, split
        self.channels, self.history, self.pongs, self.count = {}, {}, 0, 0
        self.held, self.tails = None, {}

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1000)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
                    await self.websocket(reader, writer, Protobuf() if b"protobuf" in head else Json())
                    return
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                self.api(head, await reader.readexactly(size))
                writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{"result":{}}')
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for subscribers in self.channels.values():
                subscribers[:] = [entry for entry in subscribers if entry[0] is not writer]
            writer.close()

    async def websocket(self, reader, writer, protocol):
        while True:
            _, size = await reader.readexactly(2)
            size &= 0x7F
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            mask = await reader.readexactly(4)
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size)))
            replies = []
            for name, number, channel, offset in protocol.commands(payload):
                if name == "connect":
                    replies.append(protocol.connected(number))
                elif name == "subscribe":
                    self.channels.setdefault(channel, []).append((writer, protocol))
                    log = self.history.setdefault(channel, [])
                    missed = [] if offset is None else log[offset:]
                    if self.fault == "forget" and missed:
                        missed = missed[1:]
                    replies.append(protocol.subscribed(number, missed, len(log)))
                elif name == "publish":
                    self.count += 1
                    self.send(writer, protocol, [protocol.published(number - (self.fault == "confuse"))])
                else:
                    self.pongs += 1
            if replies:
                self.send(writer, protocol, replies)
                self.send(writer, protocol, [protocol.ping])

    def send(self, writer, protocol, messages):
        payload = protocol.join(messages)
        size = len(payload)
        head = bytes([protocol.opcode, size]) if size < 126 else bytes([protocol.opcode, 126]) + size.to_bytes(2, "big")
        frame = head + payload
        if self.split:  # a frame cut in two must be put together again
            writer.write(self.tails.pop(writer, b"") + frame[:7])
            self.tails[writer] = frame[7:]
            asyncio.get_running_loop().call_later(0.001, lambda: writer.write(self.tails.pop(writer, b"")))
        else:
            writer.write(frame)

    def api(self, head, body):
        request = json.loads(body)
        commands = [command["publish"] for command in request["commands"]] if b"/batch" in head else [request]
        for command in commands:
            for channel in command.get("channels") or [command["channel"]]:
                data = json.dumps(command["data"], separators=(",", ":")).encode()
                self.publish(channel.encode(), data)

    def publish(self, channel, data):
        self.history.setdefault(channel, []).append(data)
        self.count += 1
        for at, (writer, protocol) in enumerate(list(self.channels.get(channel, []))):
            messages = [protocol.push(channel, data)]
            if at == 0 and self.fault == "swap" and self.held:
                messages, self.held = messages + self.held, None
            elif at == 0 and self.count % 50 == 0:
                if self.fault == "lose":
                    continue
                if self.fault == "repeat":
                    messages *= 2
                if self.fault == "swap":
                    self.held = messages
                    continue
            self.send(writer, protocol, messages)


async def run(load, server, *arguments, fails=False):
    port = await server.start()
    process = await asyncio.create_subprocess_exec(
        load, *arguments, "--server", f"127.0.0.1:{port}", "--api-key", "k",
        "--duration", str(SECONDS), "--warmup", "0.1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, errors = await process.communicate()
    server.server.close()
    if fails:
        assert process.returncode != 0, f"{arguments}: must fail, reported {out}"
        return errors.decode()
    assert process.returncode == 0, f"{arguments}: {errors.decode()}"
    return json.loads(out)


async def main(load):
    faults = ("lost", "duplicate", "reordered", "diverged", "unreadable", "missing", "excess")
    fanout = ("fanout", "--connections", "20", "--window", "4", "--verify")
    for protocol in ("json", "protobuf"):
        for split in (False, True):
            server = Server(split=split)
            report = await run(load, server, *fanout, "--protocol", protocol)
            assert all(report[name] == 0 for name in faults), report
            assert report["deliveries_per_s"] > 100 and server.pongs == 20, report
    print("fanout: a correct server is found correct")

    for fault, found in (("lose", "lost"), ("repeat", "duplicate"), ("swap", "reordered")):
        report = await run(load, Server(fault), *fanout, "--publishers", "1", "--window", "200")
        assert report[found] > 0, (fault, report)
        print(f"fanout: {fault}: {found} {report[found]}, missing {report['missing']}, excess {report['excess']}")

    channels = ("channels", "--connections", "20", "--channels", "10", "--rate", "500", "--verify")
    report = await run(load, Server(), *channels)
    assert all(report[name] == 0 for name in faults if name != "diverged"), report
    assert 450 < report["publications_per_s"] < 550 and report["latency_p50_us"] > 0, report
    for fault, found in (("lose", "lost"), ("repeat", "duplicate")):
        report = await run(load, Server(fault), *channels)
        assert report[found] > 0, (fault, report)
    print("channels: rate kept, faults found")

    threads = ("--connections", "50", "--per-thread", "20", "--verify")
    report = await run(load, Server(), "fanout", *threads, "--window", "2")
    assert all(report[name] == 0 for name in faults), report
    report = await run(load, Server(), "idle", "--connections", "50", "--per-thread", "20", "--warm-connections", "30",
                       "--own-channels", "--subscriptions", "3", "--settle", "0.1", "--token-secret", "s")
    assert report["connections"] == 50, report
    print("several threads: correct")

    for extra in ((), ("--batch", "5"), ("--broadcast", "5", "--channels", "5")):
        server = Server()
        report = await run(load, server, "api", "--publishers", "4", *extra)
        assert report["missing"] == 0 and report["publications_per_s"] > 100, report
        assert server.count >= report["publications_per_s"] * SECONDS, (server.count, report)
    print("api: single, batch, broadcast")

    for protocol in ("json", "protobuf"):
        server = Server()
        report = await run(load, server, "publish", "--connections", "5", "--protocol", protocol)
        assert report["missing"] == 0 and report["publications_per_s"] > 100, report
        assert server.count >= report["publications_per_s"] * SECONDS, (server.count, report)
    errors = await run(load, Server("confuse"), "publish", "--connections", "5", fails=True)
    assert "awaits the answer to" in errors, errors
    print("publish: acknowledged, and the answer to another command is noticed")

    for protocol in ("json", "protobuf"):
        report = await run(load, Server(), "connect", "--concurrency", "8", "--protocol", protocol)
        assert report["connections_per_s"] > 10, report
        storm = ("recover", "--concurrency", "8", "--protocol", protocol, "--missed", "20", "--channels", "3")
        report = await run(load, Server(), *storm)
        assert report["recovered"] > 0 and report["recovered"] % 20 == 0, report
        errors = await run(load, Server("forget"), *storm, fails=True)
        assert "19 publications recovered, 20 were missed" in errors, errors
    print("connect, recover: correct, and a forgotten publication is noticed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
