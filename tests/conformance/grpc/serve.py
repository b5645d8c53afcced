"""A backend over GRPC that does as it is told: lines of JSON come on the standard input and go out on the standard output.

It runs in an environment of its own (requirements.txt), as a process that a test can kill; lib/grpc_backend.py is the
test's side of it. Messages are hexadecimal bytes here: what they mean is the test's business.

In: {"answer": METHOD, "messages": [HEX…], "status": NAME, "hangs": bool} says what the next calls of a method get; "hangs"
leaves a call open behind its messages. {"stream": N, "messages": [HEX…], "status": NAME} goes on with an open one, or answers
it if it is no stream.
Out: {"port": N} at the start, {"prepared": true} when an answer is set, {"call": N, "method", "metadata", "message", "left"}
for each call, {"message": HEX, "stream": N} for each further message of one, {"ended": N} when the caller has given it up.
"""

import json
import queue
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "/centrifugal.centrifugo.proxy.CentrifugoProxy/"
CLIENT_STREAMS = {"SubscribeBidirectional"}
SERVER_STREAMS = {"SubscribeBidirectional", "SubscribeUnidirectional"}
THREADS = 32

lock = threading.Lock()
answers: dict[str, dict] = {}
streams: dict[int, queue.Queue] = {}
count = 0


def tell(**event) -> None:
    with lock:
        print(json.dumps(event), flush=True)


def begin(method: str, message: bytes, context) -> tuple[int, dict]:
    global count
    with lock:
        count += 1
        number = count
        streams[number] = queue.Queue()
        answer = answers.get(method, {"status": "UNIMPLEMENTED"})
    metadata: dict[str, list] = {}
    for name, value in context.invocation_metadata():
        metadata.setdefault(name, []).append(value if isinstance(value, str) else value.hex())
    left = context.time_remaining()
    context.add_callback(lambda: (tell(ended=number), streams[number].put(None)))
    tell(call=number, method=method, metadata=metadata, message=message.hex(), left=left)
    return number, answer


def end(context, status: str) -> None:
    if status != "OK":
        context.abort(grpc.StatusCode[status], "as told")


def unary(method: str):
    def serve(message: bytes, context) -> bytes:
        number, answer = begin(method, message, context)
        if answer.get("hangs"):
            answer = streams[number].get() or answer
        end(context, answer.get("status", "OK"))
        return bytes.fromhex(answer["messages"][0])

    return grpc.unary_unary_rpc_method_handler(serve)


def say(number: int, answer: dict, context):
    while True:
        for message in answer.get("messages", []):
            yield bytes.fromhex(message)
        if "status" in answer:
            return end(context, answer["status"])
        answer = streams[number].get()
        if answer is None:
            return


def stream(method: str):
    def listen(number: int, messages) -> None:
        try:
            for message in messages:
                tell(stream=number, message=message.hex())
        except grpc.RpcError:
            pass  # "ended" tells of it

    def serve(message, context):
        messages = message if method in CLIENT_STREAMS else None
        number, answer = begin(method, next(messages) if messages else message, context)
        if messages:
            threading.Thread(target=listen, args=(number, messages), daemon=True).start()
        yield from say(number, answer, context)

    if method in CLIENT_STREAMS:
        return grpc.stream_stream_rpc_method_handler(serve)
    return grpc.unary_stream_rpc_method_handler(serve)


class Methods(grpc.GenericRpcHandler):
    def service(self, details):
        if not details.method.startswith(SERVICE):
            return None
        method = details.method.removeprefix(SERVICE)
        return stream(method) if method in SERVER_STREAMS else unary(method)


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), handlers=[Methods()])
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1] if len(sys.argv) > 1 else 0}")
    server.start()
    tell(port=port)
    for line in sys.stdin:
        order = json.loads(line)
        if "stream" in order:
            streams[order.pop("stream")].put(order)
        else:
            with lock:
                answers[order.pop("answer")] = order
            tell(prepared=True)
    server.stop(0)


main()
