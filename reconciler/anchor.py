"""The trust root as its file says now, followed along its chain of versions and never back.

The signed root that was accepted last is kept in the state folder. A file that does not follow
it is an error at each use: nothing new is deployed until the right file is there again.
"""

import threading
from pathlib import Path

from reconciler import state
from registry import errors
from registry.core import trustchain
from registry.core.trustroot import TrustRoot


class Anchor:
    """One per reconciler; safe from several threads."""

    def __init__(self, file: Path, folder: state.StateFolder) -> None:
        self._file = file
        self._folder = folder
        self._lock = threading.Lock()

    def root(self) -> TrustRoot:
        """Raises `InvalidConfig`, `InvalidInput` or `TrustRootRefused`."""
        return self._accepted()[0]

    def text(self) -> str:
        """The file with all its signatures, as instances are handed it; raises as `root`."""
        return self._accepted()[1].decode()

    def _accepted(self) -> tuple[TrustRoot, bytes]:
        with self._lock:
            try:
                offered = self._file.read_bytes()
            except OSError as error:
                raise errors.InvalidConfig(
                    f"the trust root {self._file} cannot be read: {error.strerror}",
                    fix="see docs/trust/signing.md for what must be in it",
                ) from error
            held = self._folder.trust()
            found = trustchain.read(offered, held)
            if found.root is not None and offered != held:
                self._folder.save_trust(offered)
            return found, offered
