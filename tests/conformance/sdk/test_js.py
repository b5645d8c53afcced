"""The official JavaScript SDK in Node; js/scenarios.mjs says what it does. Each scenario is a test per format."""

import re

import kit
import pytest

SCENARIOS = re.findall(r"^  async (\w+)\(\) \{$", (kit.HERE / "js" / "scenarios.mjs").read_text(), re.M)
# Scenarios that need another configuration, or make sense in one format alone.
SETTINGS = {"is_refused_without_credentials": {"client": {"allow_anonymous_connect_without_token": False}}}
FORMATS = {"carries_bytes": ["protobuf"]}


@pytest.mark.parametrize(
    ("name", "format", "settings"),
    [
        pytest.param(name, format, SETTINGS.get(name, {}), id=f"{name}-{format}")
        for name in SCENARIOS
        for format in FORMATS.get(name, ["json", "protobuf"])
    ],
)
def test_javascript(name, format, server, relay):
    kit.Scenario(server, relay).play("scenarios.mjs", name, format=format)
