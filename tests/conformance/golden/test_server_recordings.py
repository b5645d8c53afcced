"""The server API, as recorded: each file in tests/golden/server is one server, and each of its cases one test.

A test that is picked alone plays all cases before it first, for what it finds depends on them.
"""

import unittest

import server_replay
from server import Server

LOG_TAIL = 2000


class ServerRecordings(unittest.TestCase):
    """One file; its server lives as long as the class."""

    file = ""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(server_replay.config())
        cls.enterClassContext(cls.server)
        cls.replay = server_replay.Replay(cls.file, cls.server)
        cls.addClassCleanup(cls.replay.close)

    def judge(self, index: int):
        if (wrong := self.replay.outcome(index)) is not None:
            self.fail(f"{self.file}.jsonl:{index + 1} {wrong}\n{self.server.log()[-LOG_TAIL:]}")


def _class(file: str) -> type:
    name = "".join(part.capitalize() for part in file.split("-")) + "Recordings"
    tests = {
        f"test_{index + 1:03}_{case.name}": lambda self, index=index: self.judge(index)
        for index, case in enumerate(server_replay.load(file))
    }
    return type(name, (ServerRecordings,), {"file": file, **tests})


for _file in server_replay.files():
    _made = _class(_file)
    globals()[_made.__name__] = _made
del _made
