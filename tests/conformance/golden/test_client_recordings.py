"""The official protocol, as recorded: each recording in tests/golden/client is one test (ledger.toml names the rest)."""

import unittest

import replay
from server import Server


class ClientRecordings(unittest.TestCase):
    maxDiff = None
    is_ordered = False  # each test has a server of its own


def _test(name: str):
    def test(self):
        recording = replay.load(name)
        server = Server(recording.config)
        with server:
            try:
                replay.Replay(recording, server).run()
            except AssertionError as failure:
                raise AssertionError(f"{failure}\n{server.log()[-4000:]}") from None

    test.seconds = replay.load(name).seconds
    return test


for _name in replay.names():
    if replay.later(_name) is None:
        setattr(ClientRecordings, f"test_{_name}", _test(_name))
