"""What instances are handed at their start: the registry, the host's token, whom to trust, and
secrets."""

import threading
from collections.abc import Callable

from reconciler import client, config, state, unsealing
from reconciler.core import kinds
from reconciler.engines.protocol import Launch


class Launches:
    """Each host has its own token, minted once and kept."""

    def __init__(
        self,
        settings: config.Config,
        registry: client.Registry,
        folder: state.StateFolder,
        trust: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._folder = folder
        self._trust = trust
        self.secrets = unsealing.Secrets(settings.age_identity_file, folder)
        self._lock = threading.Lock()

    def launch(self, host: str, kind: kinds.Host) -> Launch:
        """For an instance on `host`; asks the registry only the first time."""
        with self._lock:
            token = self._folder.token(host)
            if token is None:
                token = self._registry.host_token(host)
                self._folder.save_token(host, token)
        address = kind.spec.registry or self._settings.host_registry
        return Launch(registry_url=address, token=token, trust=self._trust())
