"""The SDKs are told the same stories: which one of them is missing for an SDK is said here, and why in README.md."""

import kit
import test_go
import test_js

ONLY_JAVASCRIPT = {"begins_where_it_says", "sends_several_commands_in_one_frame"}
NOT_PYTHON = ONLY_JAVASCRIPT | {"is_disconnected_for_a_message"}
NOT_JAVASCRIPT = {"hears_channels_by_number_in_protobuf"}


def test_each_sdk_has_them():
    javascript = {name for script in test_js.SCRIPTS for name in test_js.scenarios(script)}
    sources = kit.HERE.glob("test_python_*.py")
    python = {name for source in sources for name in kit.stories(source, r"def test_(\w+)\(play")}
    assert set(map(kit.snake, test_go.METHODS)) == javascript - ONLY_JAVASCRIPT | NOT_JAVASCRIPT
    assert python == javascript - NOT_PYTHON | NOT_JAVASCRIPT
    assert set(kit.SETTINGS) | set(kit.ONLY_PROTOBUF) <= javascript | NOT_JAVASCRIPT
