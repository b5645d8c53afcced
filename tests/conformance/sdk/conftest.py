"""The server of each test: a fresh process, and a relay before it. A failed test shows the end of the server's log."""

import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import desk as desks  # noqa: E402
import kit  # noqa: E402
from application import tell  # noqa: E402
from providers import Providers  # noqa: E402
from relay import Relay  # noqa: E402

LOG_CHARACTERS = 6000
# A proxy of this machine's environment must not be asked for servers on the loopback.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def scenario(node) -> str:
    """The name of the scenario that a test plays, or is."""
    parameters = node.callspec.params if hasattr(node, "callspec") else {}
    return parameters.get("name", node.originalname.removeprefix("test_"))


def pytest_generate_tests(metafunc):
    """Scenarios that are tests themselves; the others come with what `kit.cases` says."""
    protocols = kit.OVER.get(metafunc.definition.originalname.removeprefix("test_"))
    if protocols:
        metafunc.parametrize("over", protocols, indirect=True)


@pytest.fixture
def over(request) -> str:
    """The protocol over which the server asks a backend; empty without one."""
    return getattr(request, "param", "")


@pytest.fixture
def desk(over):
    with desks.DESKS[over]() if over else contextlib.nullcontext() as started:
        yield started


@pytest.fixture
def providers(request):
    with Providers() if scenario(request.node) in kit.OF_PROVIDERS else contextlib.nullcontext() as started:
        yield started


@pytest.fixture
def settings(request) -> dict | None:
    """What the configuration says besides; a module of tests may have its own."""
    return kit.SETTINGS.get(scenario(request.node))


@pytest.fixture
def server(request, settings, desk, providers):
    changes = kit.config(settings)
    if desk is not None:
        changes = kit.servers.merged(changes, desk.configuration(changes["channel"]["namespaces"]))
    if providers is not None:
        changes = kit.servers.merged(changes, providers.configuration())
    with kit.servers.Server(changes) as started:
        request.node.gyre_server = started
        yield started


@pytest.fixture
def relay(server):
    with Relay(server.port) as started:
        yield started


@pytest.fixture(params=kit.FORMATS)
def play(request, server, relay, desk, providers):
    """What runs a story of the Python SDK, in one format."""
    return lambda story: tell(story, request.param, server, relay, desk, providers)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    started = getattr(item, "gyre_server", None)
    if report.failed and started is not None:
        report.sections.append(("the server's log", started.log()[-LOG_CHARACTERS:]))
    return report
