"""Where the time of a rollout goes: what the reconciler did and heard, and when, from its log."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path


def told(log: Path, *, since: float) -> str:
    """What it did after `since` (seconds since the epoch), each with the seconds from then on."""
    return "; ".join(f"{at - since:.2f} {line}" for at, line in _lines(log) if at >= since)


def _lines(log: Path) -> Iterator[tuple[float, str]]:
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
            at = datetime.fromisoformat(entry["timestamp"]).timestamp()
        except (ValueError, KeyError, TypeError):
            continue
        what = entry.get("line") or f"{entry.get('host', '')} {entry.get('what', entry['event'])}"
        yield at, str(what).partition(" (")[0]
