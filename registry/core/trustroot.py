"""The trust root: whose signatures count. Read from trust.json; without it nothing is trusted."""

import base64
from dataclasses import dataclass

from registry.core import canonical, dsse, fields
from registry.core.canonical import Json
from registry.core.note import LogKey
from registry.errors import InvalidInput

_WHAT = "trust root"


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Publishers whose models may be served, the registry that vouches, the log that records."""

    publishers: tuple[dsse.Signer, ...]
    registry: dsse.Signer
    log: LogKey

    def document(self) -> dict[str, Json]:
        """JSON form, as in trust.json."""
        return {
            "publishers": [_signer_document(signer) for signer in self.publishers],
            "registry": _signer_document(self.registry),
            "log": {
                "origin": self.log.origin,
                "publicKey": base64.b64encode(self.log.public_key).decode(),
            },
        }


def parse(data: bytes | str) -> TrustRoot:
    """Read trust.json; raises `InvalidInput`."""
    document = canonical.decode_object(data, what=_WHAT)
    unknown = document.keys() - {"publishers", "registry", "log"}
    if unknown:
        raise InvalidInput(f"{_WHAT} has the unknown field {min(unknown)!r}")
    publishers = tuple(_signer(item) for item in fields.objects(document, "publishers", what=_WHAT))
    if len({signer.name for signer in publishers}) != len(publishers):
        raise InvalidInput(f"{_WHAT} names a publisher twice")
    log = fields.mapping(document, "log", what=_WHAT)
    public_key = fields.base64_bytes(log, "publicKey", what=_WHAT)
    if len(public_key) != 32:
        raise InvalidInput(f"{_WHAT}: the log's public key is not 32 bytes of Ed25519")
    return TrustRoot(
        publishers,
        _signer(fields.mapping(document, "registry", what=_WHAT)),
        LogKey(fields.text(log, "origin", what=_WHAT), public_key),
    )


def _signer(item: dict[str, Json]) -> dsse.Signer:
    name = fields.text(item, "name", what=_WHAT)
    return dsse.signer(name, fields.text(item, "publicKey", what=_WHAT))


def _signer_document(signer: dsse.Signer) -> dict[str, Json]:
    return {"name": signer.name, "publicKey": dsse.pem(signer.key).decode()}
