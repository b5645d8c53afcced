"""The official protocol, as recorded: each recording in tests/golden/client is one test (ledger.toml names the rest)."""

import contextlib
import json
import unittest

import replay
from backend import Backend, Call, Reply, result
from matching import FAR_EXPIRATION
from server import Server, reserved_port

BACKEND = "127.0.0.1:18099"  # where the recorder had one
DEAD_BACKEND = "proxy_backend_failure"
CUSTOM = {"code": 1000, "message": "custom", "temporary": True}


def refusal(**fields) -> Reply:
    return Reply(json.dumps(fields).encode())


# What the recorder's backend answered, by the connect's data, the method or the channel.
CONNECTS = {
    "ok": result(user="u1", data={"hello": 1}, channels=["a"], expire_at=FAR_EXPIRATION),
    "err": refusal(error={"code": 1001, "message": "no"}),
    "tmp": refusal(error={"code": 1002, "message": "later", "temporary": True}),
    "disc": refusal(disconnect={"code": 4501, "reason": "bad"}),
    "none": Reply(),
}
OTHERS = {
    "ok": result(data={"a": 1}),
    "b64": result(b64data="eyJiIjoxfQ=="),
    "err": refusal(error=CUSTOM),
    "empty": Reply(),
    "subopts": result(data={"d": 1}, override={"join_leave": {"value": True}}),
    "expire": result(expire_at=FAR_EXPIRATION),
    "disc": refusal(disconnect={"code": 4500, "reason": "bye"}),
    "disc0": refusal(disconnect={"code": 4000, "reason": "bye reconnect"}),
    "fence": Reply(),
}


def recorded_answer(call: Call) -> Reply:
    if call.event == "connect":
        return CONNECTS[call.body["data"]["m"]]
    return OTHERS[call.body.get("method") or call.body["channel"]]


class ClientRecordings(unittest.TestCase):
    maxDiff = None
    is_ordered = False  # each test has a server of its own


@contextlib.contextmanager
def backend_of(recording: replay.Recording):
    """What the configuration's proxies ask, if it has any. The configuration then names it."""
    text = json.dumps(recording.config)
    if BACKEND not in text:
        yield None
    elif recording.name == DEAD_BACKEND:
        with contextlib.closing(reserved_port()) as holder:
            recording.config = json.loads(text.replace(BACKEND, "{}:{}".format(*holder.getsockname())))
            yield None
    else:
        with Backend(recorded_answer) as backend:
            recording.config = json.loads(text.replace(BACKEND, f"127.0.0.1:{backend.server_port}"))
            yield backend


def _test(name: str):
    def test(self):
        recording = replay.load(name)
        with backend_of(recording) as backend, Server(recording.config) as server:
            try:
                replay.Replay(recording, server, backend).run()
            except AssertionError as failure:
                raise AssertionError(f"{failure}\n{server.log()[-4000:]}") from None

    test.seconds = replay.load(name).seconds
    return test


for _name in replay.names():
    if replay.later(_name) is None:
        setattr(ClientRecordings, f"test_{_name}", _test(_name))
