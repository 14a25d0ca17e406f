"""Order: quick and pure first, whole stories last, so that a mistake shows early.

No test speaks TLS with anybody outside, so no program of theirs trusts a public authority: to read
some hundred and fifty of them takes each new HTTP client, and there are thousands, 60 ms.
"""

import os
from pathlib import Path

import pytest
from httpx2._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import HealthCheck, settings

_ROOT = Path(__file__).parent
# The authority whose key nobody has.
os.environ["SSL_CERT_FILE"] = str(_ROOT / "nobody.pem")
# Beside other tests a second thread for small matrices spins more than it works: twenty times the
# CPU of a training.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# How long an example takes, and to draw it, says more about the machine than about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# Nor does how long an answer takes: a client that says nothing of it gives up after 5 s.
for _name in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _name, 60.0)
_LATE = ("registry", "cli", "formats", "runtime", "reconciler/test_loop", "engines", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable: within a folder the order stays that of the files."""
    items.sort(key=_lateness)


def _lateness(item: pytest.Item) -> int:
    name = item.path.relative_to(_ROOT).as_posix()
    return max((place for place, start in enumerate(_LATE, 1) if name.startswith(start)), default=0)
