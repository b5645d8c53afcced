"""The official Go SDK; go/ says what it does. Each scenario is a test per format."""

import kit
import pytest

SOURCES = sorted((kit.HERE / "go").glob("*.go"))
METHODS = [name for source in SOURCES for name in kit.stories(source, r"func \(Scenarios\) (\w+)\(")]


@pytest.mark.parametrize(("name", "format"), kit.in_formats(map(kit.snake, METHODS)))
def test_go(name, format, server, relay):
    kit.Scenario(server, relay).play_go(name, format=format)
