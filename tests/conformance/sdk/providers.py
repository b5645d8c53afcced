"""Identity providers that sign tokens and serve their keys; they know nothing of the server."""

import json
import pathlib
import tempfile

from backend import Backend, Reply
from keys import Key, RsaKey

ISSUERS = {"works": "https://works.example/", "school": "https://school.example/"}


class Providers:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="gyre-keys-")
        folder = pathlib.Path(self._folder.name)
        self._keys = {"works": Key("works", folder), "school": RsaKey("school", folder)}
        self._server = Backend(lambda call: Reply(json.dumps({"keys": [self._keys[call.event].jwk()]}).encode()))

    def __enter__(self) -> "Providers":
        return self

    def __exit__(self, *details) -> None:
        self._server.__exit__(*details)
        self._folder.cleanup()

    def token(self, name: str, **claims) -> str:
        """Signed by this provider, who says that it is the issuer unless the claims say otherwise."""
        return self._keys[name].sign({"iss": ISSUERS[name], **claims})

    def configuration(self) -> dict:
        providers = [
            {"name": name, "endpoint": self._server.url(name), "issuer": issuer} for name, issuer in ISSUERS.items()
        ]
        return {"gyre": {"jwks": {"providers": providers}}}
