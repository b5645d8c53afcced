"""The backend of an application: what its operator would write for proxies to ask. Over HTTP or GRPC it is the same."""

import collections
import json
import queue
import sys
import threading
import time

import kit  # noqa: F401  for the path of the library
from backend import Backend, Reply
from grpc_backend import GrpcBackend
import proxy_protocol

# What each event is called over GRPC, and the messages of its question and its answer.
METHODS = {
    "connect": ("Connect", "ConnectRequest", "ConnectResponse"),
    "refresh": ("Refresh", "RefreshRequest", "RefreshResponse"),
    "subscribe": ("Subscribe", "SubscribeRequest", "SubscribeResponse"),
    "sub_refresh": ("SubRefresh", "SubRefreshRequest", "SubRefreshResponse"),
    "publish": ("Publish", "PublishRequest", "PublishResponse"),
    "rpc": ("RPC", "RPCRequest", "RPCResponse"),
}
STREAMS = ("SubscribeUnidirectional", "SubscribeBidirectional")
NAMESPACES = [
    {"name": "office", "presence": True, "history_size": 10, "history_ttl": "5m", "allow_history_for_subscriber": True,
     "subscribe_proxy_enabled": True, "publish_proxy_enabled": True, "sub_refresh_proxy_enabled": True},
]
STREAMED = [
    {"name": "feed", "allow_publish_for_subscriber": True, "subscribe_stream_proxy_enabled": True},
    {"name": "talk", "subscribe_stream_proxy_enabled": True, "subscribe_stream_proxy_bidirectional": True},
]

# What a guest may do in namespaces that allow nothing, and what more he may until he has stayed for a while.
CAPS = [{"channels": ["vault:*"], "match": "wildcard", "allow": ["sub", "pub", "hst", "prs"]}]
GUEST_CAPS = [{"channels": ["^closed:(lobby|bar)$"], "match": "regex", "allow": ["sub"]}]


def soon() -> int:
    """A second that is not over yet, whatever the fraction of the present one."""
    return int(time.time()) + 2


class Desk:
    """Who asks is named by a header. What was asked waits for a story to look at it."""

    def __init__(self):
        self._questions = {event: queue.Queue() for event in (*METHODS, "stream", "end")}
        self._lock = threading.Lock()
        self._times = collections.Counter()

    def asked(self, event: str) -> dict:
        """The next question about it that nobody has looked at."""
        return self._questions[event].get(timeout=kit.WAIT_SECONDS)

    def answer(self, event: str, question: dict, headers: dict) -> dict:
        answer = getattr(self, f"_{event}")(question, headers)
        self._questions[event].put(question)
        return answer

    def note(self, event: str, what) -> None:
        self._questions[event].put(what)

    def time(self, *what) -> int:
        """How often this has been now."""
        with self._lock:
            self._times[what] += 1
            return self._times[what]

    def _connect(self, question, headers):
        name = headers.get("authorization", "")
        if name == "":
            return {"disconnect": {"code": 4501, "reason": "who are you?"}}
        if name == "stranger":
            return {"error": {"code": 1001, "message": "no such user"}}
        if name == "hasty" and self.time("hasty") == 1:
            return {"error": {"code": 1002, "message": "one moment", "temporary": True}}
        welcome = {"user": name, "info": {"name": name}, "data": {"welcome": question.get("data")}, "meta": {"desk": 3}}
        if name == "guest":
            return {"result": welcome | {"expire_at": soon() + 1, "caps": [*CAPS, *GUEST_CAPS]}}
        on = {"value": True}
        options = {"info": {"seat": 1}, "data": {"topic": "desk"},
                   "override": {"join_leave": on, "force_push_join_leave": on}}
        return {"result": welcome | {"channels": ["mine"], "subs": {"closed:desk": options}}}

    def _refresh(self, question, _):
        if self.time("refresh", question["client"]) > 1:
            return {"result": {"expired": True}}
        return {"result": {"expire_at": soon(), "info": {"name": "old guest"}, "caps": CAPS}}

    def _subscribe(self, question, _):
        room = question["channel"].partition(":")[2]
        if room == "closed":
            return {"error": {"code": 1100, "message": "not for you"}}
        if room == "cellar":
            return {"disconnect": {"code": 4502, "reason": "out of here"}}
        result = {"info": question.get("data", {"seat": 0}), "data": {"topic": room}}
        if room == "study":
            result["allow"] = ["pub", "prs"]
        return {"result": result | ({"expire_at": soon()} if room == "short" else {})}

    def _sub_refresh(self, question, _):
        if self.time("sub_refresh", question["client"], question["channel"]) > 1:
            return {"result": {"expired": True}}
        return {"result": {"expire_at": soon(), "info": {"seat": 2}}}

    def _publish(self, question, _):
        said = question["data"]["say"]
        if said == "damn":
            return {"error": {"code": 1200, "message": "mind your language"}}
        if said == "between us":
            return {"result": {"skip_history": True}}
        if said.isupper():
            return {"result": {"data": {"say": said.lower()}, "tags": {"edited": "yes"}}}
        return {"result": {}}

    def _rpc(self, question, headers):
        method = question["method"].rpartition(":")[2]
        if method == "whoami":
            told = {"user": question["user"], "desk": headers.get("x-desk", "first"), "meta": question.get("meta")}
            return {"result": {"data": told}}
        if method == "add":
            return {"result": {"data": sum(question["data"])}}
        if method == "leave":
            return {"disconnect": {"code": 4503, "reason": "as you like"}}
        return {"error": {"code": 1404, "message": "no such method"}}

    def configuration(self, namespaces: list) -> dict:
        """Every proxy that this desk can be asked by, a second one for methods among them."""
        second = self.proxy("rpc") | {"name": "second"}
        second["http"] = {"static_headers": {"X-Desk": "second"}}
        second["grpc"] = {"static_metadata": {"x-desk": "second"}}
        return {
            "client": {"proxy": {event: self.proxy(event) | {"enabled": True} for event in ("connect", "refresh")}},
            "channel": {
                "proxy": {event: self.proxy(event) for event in ("subscribe", "publish", "sub_refresh")},
                "namespaces": [*namespaces, *NAMESPACES],
            },
            "rpc": {
                "proxy": self.proxy("rpc"),
                "without_namespace": {"proxy_enabled": True},
                "namespaces": [{"name": "desk", "proxy_enabled": True, "proxy_name": "second"}],
            },
            "proxies": [second],
        }

    def proxy(self, event: str) -> dict:
        """Only the JavaScript SDK can emulate headers; the other ones send real ones."""
        return {"endpoint": self.endpoint(event), "timeout": f"{kit.WAIT_SECONDS}s", "include_connection_meta": True,
                "http_headers": ["Authorization"], "emulated_headers": ["Authorization"]}


class HttpDesk(Desk):
    def __init__(self):
        super().__init__()
        self._backend = Backend(self._reply)

    def endpoint(self, event: str) -> str:
        return self._backend.url(event)

    def _reply(self, call) -> Reply:
        return Reply(json.dumps(self.answer(call.event, call.body, call.headers)).encode())

    def __enter__(self) -> "HttpDesk":
        return self

    def __exit__(self, *details) -> None:
        self._backend.__exit__(*details)


class GrpcDesk(Desk):
    """One thread answers; each stream has one that listens to it."""

    def __init__(self):
        super().__init__()
        self._backend = GrpcBackend()
        self._events = {method: event for event, (method, _, _) in METHODS.items()}
        for method in (*self._events, *STREAMS):
            self._backend.answer(method, hangs=True)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def endpoint(self, _: str) -> str:
        return self._backend.endpoint

    def configuration(self, namespaces: list) -> dict:
        result = super().configuration([*namespaces, *STREAMED])
        result["channel"]["proxy"]["subscribe_stream"] = self.proxy("subscribe_stream")
        return result

    def _serve(self) -> None:
        while call := self._backend.calls.get():
            try:
                if call.method in STREAMS:
                    threading.Thread(target=self._converse, args=(call,), daemon=True).start()
                else:
                    self._reply(call)
            except Exception as failure:  # the story fails, and this is why
                print(f"{call.method}: {failure!r}", file=sys.stderr)
                self._backend.say(call, status="INTERNAL")

    def _reply(self, call) -> None:
        event = self._events[call.method]
        _, question, answer = METHODS[event]
        headers = {name: values[0] for name, values in call.metadata.items()}
        told = self.answer(event, proxy_protocol.decode(call.message, question), headers)
        self._backend.say(call, proxy_protocol.encode(told, answer))

    def _say(self, call, *messages: dict, **more) -> None:
        self._backend.say(call, *(proxy_protocol.encode(told, "StreamSubscribeResponse") for told in messages), **more)

    def _converse(self, call) -> None:
        """A feed tells three things and goes on, fails or ends, as its name says; a talk answers what is said there."""
        if call.method == "SubscribeUnidirectional":
            question = proxy_protocol.decode(call.message, "SubscribeRequest")
        else:
            question = proxy_protocol.decode(call.message, "StreamSubscribeRequest")["subscribe_request"]
        channel, data = question["channel"], question.get("data", {})
        if channel.endswith(":closed"):
            self._say(call, {"subscribe_response": {"error": {"code": 1100, "message": "not for you"}}}, status="OK")
            return
        self.note("stream", question)
        time = self.time(channel)
        self._say(call, {"subscribe_response": {"result": {"data": {"time": time}}}})
        if call.method == "SubscribeUnidirectional":
            about = data.get("about", "nothing")
            self._say(call, *({"publication": {"data": number, "tags": {"about": about}}} for number in (1, 2, 3)))
            if channel.endswith(":ending"):
                self._say(call, status="OK")
            elif channel.endswith(":failing") and time == 1:
                self._say(call, status="ABORTED")
        self._listen(call, channel)

    def _listen(self, call, channel: str) -> None:
        while (message := self._backend.heard(call)) is not None:
            said = proxy_protocol.decode(message, "StreamSubscribeRequest")["publication"]["data"]
            self._say(call, {"publication": {"data": {"echo": said}}})
        self.note("end", {"channel": channel})

    def __enter__(self) -> "GrpcDesk":
        return self

    def __exit__(self, *_) -> None:
        self._backend.kill()
        self._backend.calls.put(None)
        self._thread.join()


DESKS = {"http": HttpDesk, "grpc": GrpcDesk}
