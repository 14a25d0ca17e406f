"""Numbers and names of a review in words, the same in all its forms. Pure."""

from reconciler.core.edit import Pin
from reconciler.core.review.rows import Delta, Good, Row
from registry.core import hostlist

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(number: int) -> str:
    """Bytes for people."""
    amount, unit = float(number), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{number} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def number(value: float | None) -> str:
    """At most six digits that count; empty where there is none."""
    return "" if value is None else f"{value:.6g}"


def difference(delta: Delta) -> str:
    """How far it went, with its sign; empty where there is nothing to compare."""
    if delta.before is None or delta.after is None:
        return ""
    gap = delta.after - delta.before
    return "=" if gap == 0 else f"{gap:+.4g}"


def versions(row: Row) -> str:
    """`7 → 8`, or the one that stays, comes or goes."""
    before, after = row.before, row.after
    if before is None or after is None:
        return _version(after or before)
    if before == after:
        return _version(after)
    is_other = before.model != after.model
    same = before.version == after.version and not is_other
    if same:
        return f"{after.version} (another digest)"
    return f"{_named(before, is_other)} → {_named(after, is_other)}"


def _version(pin: Pin | None) -> str:
    return "" if pin is None else str(pin.version)


def _named(pin: Pin, is_other: bool) -> str:  # noqa: FBT001  which of two models is meant
    return f"{pin.model}@{pin.version}" if is_other else str(pin.version)


def hosts(row: Row) -> str:
    """The hosts touched, short."""
    return hostlist.folded(row.hosts)


def short(digest: str) -> str:
    """Enough of a digest to know it again."""
    return digest[:19]


def good(one: Good) -> str:
    """A way back, in words."""
    return f"version {one.version} ({short(one.digest)}) on {hostlist.folded(one.hosts)}"


def way_back(row: Row) -> str:
    """Where hosts go if it fails."""
    if row.goods:
        return "; ".join(good(one) for one in row.goods)
    if row.before is not None and row.before != row.after:
        return f"version {row.before.version} ({short(row.before.digest)}), as Git has it now"
    return "none: nothing has served here"
