"""The files that the embedded engine hands its runtime: tokens, trust root, and its own file."""

import json
import secrets
from pathlib import Path
from typing import Any

from reconciler.engines import records
from reconciler.engines.protocol import Launch
from registry import errors


class Handed:
    """In the host's folder `state`; only we may read them."""

    def __init__(self, state: Path, *, host: str, listen: str) -> None:
        self.config = state / "runtime.json"
        self._state = state
        self._host = host
        self._listen = listen
        self._control = state / "control-token"

    def write(self, launch: Launch, *, is_running: bool) -> None:
        """The runtime reads token and trust root when it needs them, its own file at its start:
        while it runs that is the runtime's to write. Raises `EngineRefused`."""
        texts = {"token": launch.token, "trust.json": launch.trust}
        if not self._control.exists():
            texts["control-token"] = secrets.token_hex(32)
        for name, text in texts.items():
            path = self._state / name
            if not path.exists() or path.read_text() != text:
                records.replace(path, text.encode())
        if not is_running:
            records.replace(self.config, json.dumps(self._configuration(launch)).encode())

    def authorization(self) -> dict[str, str]:
        """What opens the runtime's control to us."""
        if not self._control.exists():
            return {}
        return {"authorization": f"Bearer {self._control.read_text()}"}

    def _configuration(self, launch: Launch) -> dict[str, Any]:
        """What is not ours to say stays as the file has it: limits, dialects, policies."""
        return self._known() | {
            "listen": self._listen,
            "cache": str(self._state / "cache"),
            "registry": launch.registry_url,
            "tokenFile": str(self._state / "token"),
            "trustFile": str(self._state / "trust.json"),
            "host": self._host,
            "controlTokenFile": str(self._control),
        }

    def _known(self) -> dict[str, Any]:
        if not self.config.exists():
            return {"models": []}
        try:
            found = json.loads(self.config.read_bytes())
        except ValueError as error:
            raise self._unreadable(str(error)) from error
        if not isinstance(found, dict):
            raise self._unreadable("it holds no object")
        return {"models": []} | found

    def _unreadable(self, why: str) -> errors.EngineRefused:
        return errors.EngineRefused(
            f"{self.config} cannot be read: {why}",
            fix="mend it, or remove it: versions are written into it again, your own limits not",
        )
