"""The official JavaScript SDK in Node; js/ says what it does. Each scenario is a test per format."""

import kit
import pytest

SCRIPTS = ["connections", "channels", "streams", "tokens", "proxies", "rights", "limits"]


def scenarios(script: str) -> list[str]:
    return kit.stories(kit.HERE / "js" / f"{script}.mjs", r"  async (\w+)\(\) \{$")


CASES = [(script, *case) for script in SCRIPTS for case in kit.cases(scenarios(script))]


@pytest.mark.parametrize(("script", "name", "format", "over"), CASES, ids=map(kit.label, CASES))
def test_javascript(script, name, format, over, server, relay, desk, providers):
    kit.Scenario(server, relay, desk, providers).play_node(f"{script}.mjs", name, format=format)
