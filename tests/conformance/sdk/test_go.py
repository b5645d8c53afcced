"""The official Go SDK; go/ says what it does. Each scenario is a test per format."""

import kit
import pytest

SOURCES = sorted((kit.HERE / "go").glob("*.go"))
METHODS = [name for source in SOURCES for name in kit.stories(source, r"func \(Scenarios\) (\w+)\(")]
CASES = kit.cases(map(kit.snake, METHODS))


@pytest.mark.parametrize(("name", "format", "over"), CASES, ids=map(kit.label, CASES))
def test_go(name, format, over, server, relay, desk, providers):
    kit.Scenario(server, relay, desk, providers).play_go(name, format=format)
