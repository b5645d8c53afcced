"""The demo page, as run.sh serves it: Chromium opens it; the command that run.sh prints reaches it."""

import json
import os
import pathlib
import re
import subprocess
import sys

import kit
import pytest

DEVELOPMENT = kit.ROOT / "deploy" / "development.json"
BUNDLE = kit.ROOT / "build" / "web" / "demo"


@pytest.fixture(scope="module", autouse=True)
def bundle():
    subprocess.run([str(kit.ROOT / "tools" / "build_demo.sh")], check=True, timeout=kit.SCENARIO_SECONDS * 5)


@pytest.fixture
def server(request):
    development = json.loads(DEVELOPMENT.read_text())
    development["http_api"]["key"] = kit.API_KEY
    development["gyre"] = {"demo": {"directory": str(BUNDLE)}}
    ours = kit.servers.Server(development)
    # The page is of the same origin as in development; only the port is another.
    ours.config["client"]["allowed_origins"] = [ours.url]
    with ours as started:
        request.node.gyre_server = started
        yield started


@pytest.mark.parametrize(
    "name", ["shows_what_is_published", "publishes_what_the_visitor_says", "comes_back_after_a_restart"]
)
def test_page(name, server, relay):
    kit.Scenario(server, relay).play_node("demo.mjs", name, format="json")


def announce(pid: int, config: pathlib.Path) -> str:
    done = subprocess.run([sys.executable, str(kit.ROOT / "tools" / "announce.py"), str(pid), str(config)],
                          env=os.environ | {"GYRE_DEMO_DIRECTORY": str(BUNDLE)}, stdout=subprocess.PIPE, check=True,
                          text=True, timeout=kit.WAIT_SECONDS)
    return done.stdout


def test_run_says_where_everything_is(server):
    config = pathlib.Path(server.folder.name, "config.json")
    said = announce(server.process.pid, config)
    for path in ("/demo", "/metrics"):
        url = re.search(rf"http://127\.0\.0\.1:{server.port}{path}\b", said)
        assert url and server.request("GET", path)[0] == 200
    assert server.websocket_url in said
    command = next(line for line in said.splitlines() if line.strip().startswith("curl"))
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=kit.WAIT_SECONDS)
    assert json.loads(done.stdout)["result"]["offset"] == 1


def test_run_says_nothing_of_a_server_that_ended(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"http_server": {"address": "127.0.0.1", "port": kit.servers.free_port()}}))
    with subprocess.Popen(["true"]) as ended:
        assert announce(ended.pid, config) == ""
