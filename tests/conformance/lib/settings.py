"""Configuration keys of a recording against those that the server has: src/config/keys.tsv tells."""

import csv
from collections.abc import Iterator

from server import ROOT


def paths(config, path: str = "") -> Iterator[str]:
    """All keys of a configuration, elements of lists as `[]`."""
    if isinstance(config, list):
        for element in config:
            if isinstance(element, dict):
                yield from paths(element, f"{path}[]")
        return
    for key, value in config.items():
        inner = f"{path}.{key}" if path else key
        yield inner
        if isinstance(value, (dict, list)):
            yield from paths(value, inner)


def unavailable() -> set[str]:
    """Keys of features that the server does not have: it refuses to start with them."""
    table = (ROOT / "src" / "config" / "keys.tsv").open()
    rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["path"] for row in rows if row["status"].startswith("unavailable")}


def is_unavailable(ledger_path: str) -> bool:
    """Does an entry of a ledger's [strip] name such a key, or a block that has one?"""
    path = ledger_path.replace(".*", "[]")
    return any(key == path or key.startswith(f"{path}.") for key in unavailable())
