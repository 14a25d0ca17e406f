"""Who may change what runs, and see what clients do not: whoever shows process mode's token."""

import asyncio
import hmac
from pathlib import Path

from registry import errors
from runtime.protocols.http import Request


class ControlToken:
    """In a file that is read each time, so that it may change; None outside process mode."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    async def may_preview(self, request: Request) -> bool:
        """Whether the caller may reach versions that are not active: candidates under test.

        In a container nothing but the ingress's second door leads here, so everybody may.
        """
        if self._file is None:
            return True
        if b"authorization" not in request.headers:
            return False
        try:
            await self.require(request)
        except errors.PlimsollError:
            return False
        return True

    async def require(self, request: Request) -> None:
        """Raises `NotFound` outside process mode, `Unauthenticated`, `Unavailable`."""
        if self._file is None:
            raise errors.NotFound(f"there is no {request.path}")
        try:
            token = await asyncio.to_thread(self._file.read_bytes)
        except OSError as error:
            raise errors.Unavailable(f"{self._file}: cannot be read: {error.strerror}") from error
        given = request.headers.get(b"authorization", b"")
        wanted = b"Bearer " + token.strip()
        # An empty token file opens nothing: it must not be matched by an empty token.
        if not token.strip() or not hmac.compare_digest(given, wanted):
            raise errors.Unauthenticated(
                "the control token is missing or wrong",
                fix=f"send 'Authorization: Bearer' with the content of {self._file}",
            )
