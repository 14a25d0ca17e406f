"""A PKCS#11 module in software: SoftHSM. Each test has a key of its own."""

import itertools
import os
import subprocess
from pathlib import Path

PIN = "known-only-to-the-test"
LABEL = "plimsoll tests"
# Nobody ever logs in to this one: a token does not ask the same process for a PIN twice.
UNUSED = "never opened"
_PLACES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
_numbers = itertools.count()


def library() -> str:
    """SoftHSM's library; on Debian `apt-get install softhsm2` brings it."""
    return next(place for place in _PLACES if Path(place).exists())


def set_up(folder: Path) -> str:
    """Tokens for this process, made before the library is loaded; gives the library."""
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    for label in (LABEL, UNUSED):
        command = [
            "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN,
            "--so-pin", "12345678",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return library()


def new_key() -> str:
    """A label that no key has yet."""
    return f"key-{next(_numbers)}"


def write_pin(file: Path) -> Path:
    file.write_text(PIN + "\n")
    file.chmod(0o600)
    return file
