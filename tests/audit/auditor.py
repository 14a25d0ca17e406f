"""An auditor's own check of a bundle, with nothing of ours: python auditor.py BUNDLE TRUST."""

import base64
import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def root(row: list[bytes]) -> bytes:  # RFC 6962, section 2.1
    if len(row) < 2:
        return row[0] if row else sha()
    split = 1 << (len(row) - 1).bit_length() - 1
    return sha(b"\x01", root(row[:split]), root(row[split:]))


def signed(bundle: bytes, signers: list[dict[str, str]]) -> Any:  # DSSE in a Sigstore bundle
    envelope = json.loads(bundle)["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    for signer in signers:
        key: Any = serialization.load_pem_public_key(signer["publicKey"].encode())
        try:
            signature = base64.b64decode(envelope["signatures"][0]["sig"])
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return json.loads(payload)["predicate"]
    sys.exit("a document is signed by nobody in the trust root")


trust = json.loads(Path(sys.argv[2]).read_bytes())
with tarfile.open(sys.argv[1]) as tar:
    files = {one.name: (tar.extractfile(one) or sys.exit(one.name)).read() for one in tar}
body, _, lines = files["checkpoint"].decode().rpartition("\n\n")
origin, size, expected = (body + "\n").split("\n")[:3]
[line] = [one for one in lines.split("\n") if one.startswith(f"\u2014 {trust['log']['origin']} ")]
log = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(trust["log"]["publicKey"]))
log.verify(base64.b64decode(line.split(" ")[2])[4:], (body + "\n").encode())
leaves: list[bytes] = []
for data in [files[name] for name in files if name.startswith("tile/entries/")]:
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        leaves.append(data[at + 2 : end])
        at = end
assert len(leaves) == int(size), "entries are missing"
assert root([sha(b"\x00", one) for one in leaves]) == base64.b64decode(expected), "root differs"
entries = [json.loads(leaf) for leaf in leaves]
erased = {(one["model"], one.get("version")) for one in entries if one["kind"] == "erased"}
for index, entry in [pair for pair in enumerate(entries) if pair[1]["kind"] == "published"]:
    paths = [name for name in files if name.startswith(f"documents/{index}/")]
    there = {path.split("/")[2].split(".")[0]: files[path] for path in paths}
    said = signed(there["registry"], [trust["registry"]])
    for name in ("model", "version", "digest"):
        assert said[name] == entry[name], f"entry {index}: another {name}"
    if (entry["model"], entry["version"]) not in erased:
        assert f"sha256:{sha(there['manifest']).hex()}" == entry["digest"], f"entry {index}"
        listed = signed(there["publisher"], trust["publishers"])["resources"]
        layers = json.loads(there["manifest"])["layers"]
        names = {
            layer["annotations"]["org.cncf.model.filepath"]: layer["digest"] for layer in layers
        }
        assert {one["name"]: f"sha256:{one['digest']}" for one in listed} == names, f"entry {index}"
print(f"{size} entries of {origin} are those that were signed")
