"""The server of each test: a fresh process, and a relay before it. A failed test shows the end of the server's log."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import kit  # noqa: E402
from application import tell  # noqa: E402
from relay import Relay  # noqa: E402

LOG_CHARACTERS = 6000
# A proxy of this machine's environment must not be asked for servers on the loopback.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


@pytest.fixture
def settings(request) -> dict:
    """Changes to kit.CONFIG for the scenario that the test plays, or is."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    return kit.SETTINGS.get(parameters.get("name", request.node.originalname.removeprefix("test_")), {})


@pytest.fixture
def server(settings, request):
    with kit.servers.Server(kit.config(settings)) as started:
        request.node.gyre_server = started
        yield started


@pytest.fixture
def relay(server):
    with Relay(server.port) as started:
        yield started


@pytest.fixture(params=kit.FORMATS)
def play(request, server, relay):
    """What runs a story of the Python SDK, in one format."""
    return lambda story: tell(story, request.param, server, relay)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    started = getattr(item, "gyre_server", None)
    if report.failed and started is not None:
        report.sections.append(("the server's log", started.log()[-LOG_CHARACTERS:]))
    return report
