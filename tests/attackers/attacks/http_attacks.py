"""Attacks on the HTTP server, before anything is a WebSocket."""

import csv
import pathlib
import time

from attack import API_KEY, MIB, UNLIMITED, attack, http_row
from peer import handshake

GET = b"GET /health HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /connection/websocket HTTP/1.1\r\nHost: a\r\n"
API = f"POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: {API_KEY}\r\n".encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLING = pathlib.Path(__file__).resolve().parents[1] / "smuggling.tsv"

http_row("garbage", "what port scanners send: bytes that are no text", "400, cut", bytes(range(255, 0, -1)) * 8)
http_row("tls_hello", "a TLS ClientHello on the plain port", "400, cut",
         bytes.fromhex("16030100c8010000c40303") + bytes(200))
http_row("http2_preface", "the preface of HTTP/2, and SETTINGS", "505, cut",
         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
http_row("many_headers", "60,000 header fields", "431, cut", GET + b"a: b\r\n" * 60_000 + b"\r\n")
http_row("long_header", "a header field of 8 MiB", "431, cut", GET + b"a: " + b"x" * (8 * MIB))
http_row("long_target", "a target of 8 MiB", "431, cut", b"GET /" + b"x" * (8 * MIB))
http_row("long_method", "a method of 8 MiB", "431, cut", b"G" * (8 * MIB))
http_row("blank_lines", "a million blank lines before a request", "400, cut", b"\r\n" * 1_000_000)
http_row("bare_cr", "CRs without LFs in a header field", "400, cut", GET + b"a: b\rc: d\r\n\r\n")
http_row("giant_origin", "an Origin of 60 KB", "403, open", handshake(80, extra=f"Origin: http://{'a' * 60_000}\r\n"),
         config={"client": {"allowed_origins": ["http://*.example.com"]}})
http_row("starred_origin", "an Origin that a pattern of many stars almost matches", "403, open",
         handshake(80, extra=f"Origin: http://{'a.' * 30_000}b\r\n"),
         config={"client": {"allowed_origins": ["http://" + "*a." * 12 + "c"]}})
http_row("giant_query", "a query of 20,000 parameters", "400, open",
         b"GET /connection/websocket?" + b"%61=&" * 12_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
http_row("api_without_key", "a body of 4 MiB for the API, without a key", "401, cut",
         b"POST /api/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n" + b"x" * (4 * MIB))
http_row("expect_continue", "Expect: 100-continue for a body that is too large", "(100 )?413, cut",
         API + b"Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n")
http_row("expect_and_wait", "Expect: 100-continue, and then nothing", "100, open",
         API + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n")
http_row("chunk_size_overflow", "a chunk size of 17 digits", "400, cut", CHUNKED + b"10000000000000001\r\n")
http_row("chunk_size_zeros", "a chunk size of a million zeros", "400, cut", CHUNKED + b"0" * 1_000_000)
http_row("chunk_extension", "a chunk extension without end", "400, cut", CHUNKED + b"1;" + b"x" * 1_000_000)
http_row("chunk_trailers", "100,000 trailers", "4(00|31), cut", CHUNKED + b"0\r\n" + b"a: b\r\n" * 100_000 + b"\r\n")
http_row("chunk_crumbs", "a body of a million chunks of one byte each, without a key", "401, cut",
         CHUNKED.replace(b"/connection/websocket", b"/api/publish") + b"1\r\nx\r\n" * 1_000_000)
http_row("connect_method", "CONNECT, as to a proxy", "404, open", b"CONNECT a.b:443 HTTP/1.1\r\nHost: a\r\n\r\n")
http_row("upgrade_list", "an Upgrade that lists websocket 9,000 times", "400, open",
         GET.replace(b"/health", b"/connection/websocket") + b"Connection: upgrade\r\nUpgrade: " +
         b",".join([b"websocket"] * 6_000) + b"\r\n\r\n")


@attack("subprotocols", "an offer of 20,000 subprotocols", "open")
def subprotocols(target):
    return target.say(handshake(target.port, extra="Sec-WebSocket-Protocol: " + ",".join(["a"] * 20_000) + "\r\n"))


@attack("compression_offers", "permessage-deflate offered 1,000 times with every parameter", "open")
def compression_offers(target):
    offer = "permessage-deflate; server_max_window_bits=8; client_max_window_bits"
    return target.say(handshake(target.port, extra=f"Sec-WebSocket-Extensions: {', '.join([offer] * 900)}\r\n"))


@attack("early_frames", "frames ahead of the answer to the handshake", "cut")
def early_frames(target):
    return target.say(handshake(target.port) + b"\x81\x80\0\0\0\0")


@attack("content_lengths", "Content-Length from 2^0 to 2^64 to the API, and no body", "400, cut \\| 413, cut \\| open",
        attackers=65)
def content_lengths(target):
    return endings(target, [API + b"Content-Length: %d\r\n\r\n" % (1 << power) for power in range(65)])


@attack("chunk_sizes", "chunk sizes from 2^0 to 2^64, and no chunk", "400, cut \\| 413, cut \\| open", attackers=65)
def chunk_sizes(target):
    head = API + b"Transfer-Encoding: chunked\r\n\r\n"
    return endings(target, [head + b"%x\r\n" % (1 << power) for power in range(65)])


@attack("smuggling", "every request of smuggling.tsv, about whose end two parsers could disagree", "as the file says",
        attackers=236)
def smuggling(target):
    with SMUGGLING.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    peers = []
    for row in rows:
        peers.append(target.peer())
        # What follows would be answered too, if the request's end were believed.
        peers[-1].send(row["request"].encode().decode("unicode_escape").encode("latin-1") + GET + b"\r\n")
    # What is wrong behind the head is told to a path that does not exist as 404, but cut as well.
    target.endings(peers, 5)
    wrong = [f"{row['what']}: {peer.standing()}" for row, peer in zip(rows, peers, strict=True)
             if peer.standing() not in (f"{row['status']}, cut", "404, cut")]
    return "; ".join(wrong) or "as the file says"


def endings(target, requests) -> str:
    peers = [target.peer() for _ in requests]
    for peer, data in zip(peers, requests, strict=True):
        peer.send(data)
    time.sleep(min(target.hold, 0.5))  # what is going to be refused is by then; the others stay as they are
    return target.endings(peers)


@attack("slow_handshake", "50 handshakes, one byte at a time", "open", attackers=50)
def slow_handshake(target):
    return target.drip([target.peer() for _ in range(50)], handshake(target.port, extra="a: b\r\n" * 8))


@attack("slow_body", "50 bodies for the API, one byte at a time", "open", attackers=50)
def slow_body(target):
    peers = [target.peer() for _ in range(50)]
    for peer in peers:
        peer.send(API + b"Content-Length: 1000000\r\n\r\n")
    return target.drip(peers, b"x" * 1_000_000)


@attack("silent", "500 connections that say nothing", "cut", attackers=500, patience=11)
def silent(target):
    return wait_for_all(target, [target.peer() for _ in range(500)])


@attack("half_head", "500 connections that send half a head, and nothing more", "cut", attackers=500,
        patience=11)
def half_head(target):
    peers = [target.peer() for _ in range(500)]
    for peer in peers:
        peer.send(GET)
    return wait_for_all(target, peers)


def wait_for_all(target, peers, seconds: float = 15) -> str:
    """Until the server's patience with a head is at its end (10 s)."""
    return target.endings(peers, seconds)


@attack("half_closed", "a request, and the end of sending behind it", "200, cut")
def half_closed(target):
    peer = target.peer()
    peer.send(GET + b"\r\n")
    peer.finish_sending()
    return peer.ending(5)


@attack("half_closed_head", "half a head, and the end of sending behind it", "cut")
def half_closed_head(target):
    peer = target.peer()
    peer.send(GET)
    peer.finish_sending()
    return peer.ending(5)


# Too fast. The reset of a connection with much unread behind its end can overtake what it was told.
TOO_FAST = "([0-9 ]* )?429, cut|([0-9 ]*, )?cut"


@attack("pipelining", "requests in a pipeline without end, answers read", TOO_FAST)
def pipelining(target):
    return target.flood(target.peer(), (GET + b"\r\n") * 2_000)


@attack("pipelining_unlimited", "the same at a server without rate limits", "200, open", config=UNLIMITED,
        is_measured=False)
def pipelining_unlimited(target):
    return pipelining(target)


@attack("pipelining_unread", "requests for /metrics in a pipeline without end, answers not read", "open")
def pipelining_unread(target):
    data = (GET.replace(b"/health", b"/metrics") + b"\r\n") * 2_000
    return target.flood(target.peer(receive_buffer=4096), data, reads=False)


@attack("unauthorized_flood", "wrong API keys in a pipeline without end", TOO_FAST)
def unauthorized_flood(target):
    return target.flood(target.peer(), b"POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: b\r\n\r\n" * 1_000)


@attack("expect_flood", "Expect: 100-continue in a pipeline without end", TOO_FAST)
def expect_flood(target):
    return target.flood(target.peer(), (GET + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx") * 1_000)


# No stranger: whoever has the key may take what gyre.http_api.max_body_size allows.
@attack("api_batch", "with the key: a batch of four million empty commands", "4(00|13), .*", memory=192 * MIB,
        is_measured=False)
def api_batch(target):
    body = b'{"commands":[' + b"{}," * 4_000_000 + b"{}]}"
    head = f"POST /api/batch HTTP/1.1\r\nHost: a\r\nX-API-Key: {API_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    return target.say(head.encode() + body, 10)
