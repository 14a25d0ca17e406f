"""Opens the key provider that the settings name."""

from registry.settings import Settings
from registry.trust.key_file import KeyFile
from registry.trust.wrapping import KeyProvider


def open_provider(settings: Settings) -> KeyProvider | None:
    """None where encryption is off. Raises InvalidConfig, Unavailable."""
    match settings.encryption.provider:
        case "file":
            return KeyFile(settings.key_file)
        case _:
            return None
