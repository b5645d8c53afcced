"""The official JavaScript SDK in Node; js/ says what it does. Each scenario is a test per format."""

import kit
import pytest

SCRIPTS = ["connections", "channels", "streams", "tokens"]


def scenarios(script: str) -> list[str]:
    return kit.stories(kit.HERE / "js" / f"{script}.mjs", r"  async (\w+)\(\) \{$")


@pytest.mark.parametrize(
    ("script", "name", "format"),
    [(script, *case) for script in SCRIPTS for case in kit.in_formats(scenarios(script))],
)
def test_javascript(script, name, format, server, relay):
    kit.Scenario(server, relay).play_node(f"{script}.mjs", name, format=format)
