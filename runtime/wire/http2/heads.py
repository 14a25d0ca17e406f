"""What a call's header block says: HPACK is hpack's, what gRPC demands of a request is here.

Of a client that calls again and again, the block is the same few references into the dynamic
table. As long as that table stands, equal bytes mean an equal head, which is not read again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import hpack
from hpack.table import HeaderTable

from runtime.wire.http2.frames import Broken, Trouble

HEADER_BYTES = 64 * 1024
_FIELDS = 128
_KEPT, _KEPT_BYTES = 32, 512
_PSEUDO = frozenset({b":method", b":path", b":scheme", b":authority"})
_NEEDED = frozenset({b":method", b":path", b":scheme"})
# RFC 9113, 8.2.2: of a connection, where there is no other than this one.
_FORBIDDEN = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NO_VALUE = re.compile(rb"[\0\r\n]")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_IS_SIZE_UPDATE, _SIZE_UPDATE = 0xE0, 0x20  # RFC 7541, 6.3


@dataclass(frozen=True, slots=True)
class Head:
    """`seconds` the client waits, None for as long as it takes; `coding` of its messages.

    `is_grpc` is false for a request of another kind, `has_good_timeout` where it can be read."""

    path: bytes
    fields: Mapping[bytes, bytes]
    seconds: float | None = None
    coding: bytes = b"identity"
    is_grpc: bool = True
    has_good_timeout: bool = True


@dataclass(frozen=True, slots=True)
class Malformed:
    """RFC 9113, 8.1.1: an end of that stream alone."""

    text: str


class Heads:
    """Of one connection, in the order in which they come."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=HEADER_BYTES)
        self._table = _Table()
        self._decoder.header_table = self._table
        self._kept: dict[bytes, Head | Malformed] = {}

    def request(self, block: bytes) -> Head | Malformed:
        """What a call begins with; raises `Broken`."""
        found = self._kept.get(block)
        if found is None:
            changes = self._table.changes
            found = _head(self.fields(block))
            if changes == self._table.changes and len(block) <= _KEPT_BYTES:
                if len(self._kept) == _KEPT:
                    self._kept.clear()
                self._kept[block] = found
        return found

    def fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """All of them, trailers too: whoever leaves one out misreads the next. Raises `Broken`."""
        changes = self._table.changes
        try:
            found = self._decoder.decode(block, raw=True)
        except hpack.OversizedHeaderListError as error:
            raise Broken(Trouble.ENHANCE_YOUR_CALM, "a header list is too large") from error
        except (hpack.HPACKError, IndexError, ValueError) as error:
            raise Broken(Trouble.COMPRESSION_ERROR, "a header block is not HPACK") from error
        if changes != self._table.changes or (block and block[0] & _IS_SIZE_UPDATE == _SIZE_UPDATE):
            self._table.changes += 1  # the size is set past `add`
            self._kept.clear()
        return [(bytes(name), bytes(value)) for name, value in found]


class _Table(HeaderTable):
    """Knows how often it was changed."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        super().add(name, value)
        self.changes += 1


def _head(fields: list[tuple[bytes, bytes]]) -> Head | Malformed:
    pseudo: dict[bytes, bytes] = {}
    plain: dict[bytes, bytes] = {}
    if len(fields) > _FIELDS:
        return Malformed(f"over {_FIELDS} headers")
    for name, value in fields:
        if name[:1] == b":":
            if plain or name in pseudo or name not in _PSEUDO:
                return Malformed("a pseudo-header where none may be")
            pseudo[name] = value
        elif not is_field(name, value):
            return Malformed("a header that is none")
        else:
            known = plain.get(name)
            plain[name] = value if known is None else known + b"," + value
    if not pseudo.keys() >= _NEEDED or not pseudo[b":path"]:
        return Malformed("no method, no path or no scheme")
    return _asked(pseudo, plain)


def is_field(name: bytes, value: bytes) -> bool:
    """Whether it may stand in a head or in trailers."""
    if name in _FORBIDDEN or not _NAME.fullmatch(name) or _NO_VALUE.search(value):
        return False
    return name != b"te" or value == b"trailers"


def _asked(pseudo: dict[bytes, bytes], plain: dict[bytes, bytes]) -> Head:
    kind = plain.get(b"content-type", b"")
    is_grpc = pseudo[b":method"] == b"POST" and _is_grpc(kind)
    timeout = plain.get(b"grpc-timeout")
    match = _TIMEOUT.fullmatch(timeout) if timeout is not None else None
    return Head(
        pseudo[b":path"],
        plain,
        int(match[1]) * _UNITS[match[2]] if match else None,
        plain.get(b"grpc-encoding", b"identity"),
        is_grpc,
        timeout is None or match is not None,
    )


def _is_grpc(kind: bytes) -> bool:
    """`application/grpc`, alone or with how messages are written, which is protobuf's always."""
    return kind in {b"application/grpc", b"application/grpc+proto"} or kind.startswith(
        b"application/grpc;"
    )
