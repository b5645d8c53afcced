"""Keys of token issuers, made and used by the openssl program, and what key sets say of them."""

import base64
import json
import pathlib
import subprocess


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


class Key:
    """An Ed25519 key."""

    algorithm = "EdDSA"
    made_with = ("-algorithm", "ed25519")

    def __init__(self, name: str, folder: pathlib.Path):
        self.name, self.file, self.text_file = name, folder / f"{name}.pem", folder / f"{name}.txt"
        openssl("genpkey", *self.made_with, "-out", str(self.file))

    def jwk(self) -> dict:
        public = openssl("pkey", "-in", str(self.file), "-pubout", "-outform", "DER")[-32:]
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.name, "x": encoded(public)}

    def sign(self, claims: dict, name: str = "") -> str:
        header = {"alg": self.algorithm, "kid": name or self.name}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{encoded(self._signature(text))}"

    def _signature(self, text: str) -> bytes:
        self.text_file.write_text(text)  # one-shot signatures need a file
        return openssl("pkeyutl", "-sign", "-inkey", str(self.file), "-rawin", "-in", str(self.text_file))


class RsaKey(Key):
    """An RSA key that signs by PSS, with a salt as long as the hash (RFC 7518, 3.5)."""

    algorithm = "PS256"
    made_with = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:65537")

    def jwk(self) -> dict:
        modulus = openssl("rsa", "-in", str(self.file), "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        return {"kty": "RSA", "use": "sig", "kid": self.name, "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}

    def _signature(self, text: str) -> bytes:
        padding = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
        return openssl("dgst", "-sha256", "-sign", str(self.file), *padding, data=text.encode())
