"""A connection's bytes, cut into frames."""

from collections.abc import Iterator

from runtime.wire.http2 import frames
from runtime.wire.http2.frames import Broken, Trouble

Frame = tuple[int, int, int, memoryview]


class Cutter:
    """Keeps no more than one frame that is not whole."""

    __slots__ = ("_needed", "_rest", "is_past_preface")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = len(frames.PREFACE)
        self.is_past_preface = False

    @property
    def is_amid(self) -> bool:
        """Whether the rest of something is owed: of the client's first words, or of a frame."""
        return bool(self._rest) or not self.is_past_preface

    def cut(self, data: bytes) -> Iterator[Frame]:
        """Type, flags, stream and payload of each; raises `Broken`."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                self._require_preface(self._rest)
                return
            data, self._rest = bytes(self._rest), bytearray()
        at = 0
        if not self.is_past_preface:
            self._require_preface(data)
            at = len(frames.PREFACE)
            if len(data) < at:
                self._rest += data
                return
            self.is_past_preface = True
        yield from self._frames(data, at)

    def _frames(self, data: bytes, at: int) -> Iterator[Frame]:
        view, size, self._needed = memoryview(data), len(data), frames.HEAD_BYTES
        while size - at >= frames.HEAD_BYTES:
            high, low, kind, flags, number = frames.HEAD.unpack_from(data, at)
            end = at + frames.HEAD_BYTES + (high << 16 | low)
            if end - at > frames.FRAME_BYTES + frames.HEAD_BYTES:
                raise Broken(Trouble.FRAME_SIZE_ERROR, "a frame is too large")
            if end > size:
                self._needed = end - at
                break
            payload, at = view[at + frames.HEAD_BYTES : end], end
            yield kind, flags, number & frames.LARGEST_WINDOW, payload
        if at < size:
            self._rest += view[at:]

    def _require_preface(self, data: bytes | bytearray) -> None:
        if not self.is_past_preface and not frames.PREFACE.startswith(
            bytes(data[: len(frames.PREFACE)])
        ):
            raise Broken(Trouble.PROTOCOL_ERROR, "gRPC is spoken here, over HTTP/2 without TLS")
