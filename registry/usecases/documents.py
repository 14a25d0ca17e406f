"""Documents of versions as the API gives them, kept ready in the database as text.

A page of a hundred is then a hundred short reads, and nothing is put together or encoded again.
A publication keeps its own; what changes later makes the kept one old, and `renew` makes it anew.
Until then, and wherever one is missing, it is made when somebody asks: nobody ever sees an old one.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from registry.db import documents as rows
from registry.db import fresh, tables, whole
from registry.db import log as log_rows
from registry.db.engine import Database, Session

Row = tables.Version | whole.Version | fresh.Version
AnyVariant = tables.Variant | whole.Variant | fresh.Variant

# Of what is added to a kept document: in lists nobody asked for evidence, and here there is none.
UNASKED, NONE = ',"evidence":null}', ',"evidence":[]}'

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_NO_VARIANT: Mapping[str, Any] = {}
_TOGETHER = 200
# A change may be seen a little after the time that it bears.
_OVERLAP = timedelta(minutes=10)


def of(session: Session, ids: Sequence[int]) -> list[str]:
    """The documents of these versions, in this order, as lists show them."""
    known = dict(rows.current(session, ids)) if ids else {}
    missing = [one for one in ids if one not in known]
    if missing:
        known |= {one.id: text(one) for one in whole.load(session, missing)}
    return [known[one] + UNASKED for one in ids if one in known]


def keep(session: Session, version: Row) -> str:
    """Keep the document of a new version, and give it."""
    made = _document(version)
    rows.add(session, made)
    return made.content


def renew(database: Database, since: datetime, is_over: Callable[[], bool]) -> datetime:
    """Make anew what is missing or old; from where to look next time.

    `since` is what the last call gave, or `BEGINNING`. Grows with what changed; what did not is
    looked at once in a process's life.
    """
    began = datetime.now(UTC)
    while not is_over():
        with database.reading() as session:
            wanted = rows.lacking(session, since=since, most=_TOGETHER)
            made = [_document(version) for version in whole.load(session, wanted)] if wanted else []
        if not made:
            return max(since, began - _OVERLAP)
        with database.writing() as session:
            # Whoever erases a version holds this too: nothing of it is kept behind his back.
            log_rows.locked_head(session)
            rows.replace(session, rows.unchanged(session, made))
            session.commit()
    return since


def text(version: Row) -> str:
    """The document but for its end, which says what evidence there is."""
    variants = [_variant(one) for one in version.variants]
    first: Mapping[str, Any] = next(
        (one for one in variants if one["digest"] == version.digest), {}
    )
    shown = {
        "model": version.model,
        "version": version.version,
        "status": version.status,
        "statusMessage": version.status_message,
        "digest": version.digest,
        "format": first.get("format"),
        "size": first.get("size"),
        "files": first.get("files", []),
        "signature": first.get("signature", {}),
        "publisher": first.get("publisher"),
        "logIndex": first.get("logIndex"),
        "watermark": first.get("watermark"),
        "variants": variants,
        "signatures": [_signature(one) for one in version.variants],
        "metadata": _metadata(version),
        "actor": version.actor,
        "createdAt": _instant(version.created_at),
        "updatedAt": _instant(version.updated_at),
    }
    encoded = json.dumps(shown, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return encoded.removesuffix("}")


def _document(version: Row) -> rows.Document:
    return rows.Document(version.id, version.updated_at, text(version))


def _variant(row: AnyVariant) -> dict[str, Any]:
    return {
        "name": row.name,
        "format": row.format,
        "digest": row.digest,
        "size": row.size,
        "publisher": row.publisher,
        "signature": row.signature,
        "files": [
            {"path": file.path, "digest": file.digest, "size": file.size}
            for file in _in_order(row.files, "path")
        ],
        "logIndex": row.log_index,
        "watermark": row.watermark,
        "createdAt": _instant(row.created_at),
    }


def _signature(row: AnyVariant) -> dict[str, Any]:
    return {
        "digest": row.digest,
        "signer": row.publisher,
        "logIndex": row.log_index,
        "evidence": None,
    }


def _metadata(row: Row) -> dict[str, Any]:
    return {
        "description": row.description,
        "owner": row.owner,
        "licence": row.licence,
        "commit": row.commit,
        "repository": row.repository,
        "source": row.source,
        "runId": row.run_id,
        "tags": _pairs(row.tags),
        "metrics": _pairs(row.metrics),
        "parameters": _pairs(row.parameters),
        "datasets": [
            {"name": data.name, "digest": data.digest, "uri": data.uri}
            for data in _in_order(row.datasets, "name")
        ],
        "derivedFrom": [_parent(edge) for edge in _in_order(row.parents, "relation", "reference")],
    }


def _pairs(found: Iterable[Any]) -> dict[str, Any]:
    return {one.key: one.value for one in _in_order(found, "key")}


def _in_order(found: Iterable[Any], *names: str) -> list[Any]:
    """As `whole` loads them: a version that is just being published has them in any order."""
    return sorted(found, key=attrgetter(*names))


def _parent(row: tables.Derivation | whole.Parent) -> dict[str, Any]:
    model, number, reference = "", 0, row.reference
    if row.parent_id is not None:
        model, _, text_of_number = row.reference.rpartition("@")
        number, reference = int(text_of_number), ""
    return {
        "relation": str(row.relation), "model": model, "version": number, "reference": reference
    }  # fmt: skip


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
