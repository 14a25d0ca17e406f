"""Signs what acceptance tests found, and files it with the registry as evidence on the digest.

A signed result is on disk before it is sent, and stays there until the registry has it. Nothing
waits for it: it is for decisions to come, here and in other environments.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from reconciler import acceptance, client, signing, state
from reconciler.core.observed import InstanceSpec
from registry import errors
from registry.core import evidence_documents as documents
from registry.core import fields
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.trustroot import TrustRoot

# Who answers so may take it later.
_NOT_NOW = (
    errors.Unavailable,
    errors.Unauthenticated,
    errors.Forbidden,
    errors.StorageFull,
)

log = structlog.get_logger()


class Attester:
    """One per reconciler; safe from several threads."""

    def __init__(
        self,
        registry: client.Registry,
        folder: state.StateFolder,
        key: signing.Key,
        *,
        trust: Callable[[], TrustRoot],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._key = key
        self._trust = trust
        self._clock = clock
        self._lock = threading.Lock()

    def attest(self, spec: InstanceSpec, found: Mapping[str, acceptance.Evidence]) -> None:
        """Sign and file how each template ended; where nobody would believe it, do nothing."""
        listed = {signer.hint for signer in self._trust().reconcilers}
        if not found or self._key.signer("").hint not in listed:
            return
        wanted = Wanted(spec.model, spec.version, spec.digest)
        moment = datetime.fromtimestamp(self._clock(), UTC)
        at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = documents.test_result(wanted, _run(found), at=at)
        kept: dict[str, Json] = {
            "model": spec.model,
            "version": spec.version,
            "bundle": self._key.sign(payload),
        }
        self._folder.keep_statement(f"{moment:%Y%m%dT%H%M%S}-{uuid.uuid4()}", kept)
        self.flush()

    def flush(self) -> None:
        """File what the registry does not have yet, if it answers."""
        with self._lock:
            for name, kept in self._folder.statements():
                try:
                    self._file(kept)
                except _NOT_NOW:
                    return  # stays; the next one, or the next round, tries again
                except errors.PlimsollError as error:
                    if type(error) is errors.PlimsollError:
                        return  # the word of something in between, and not of the registry
                    log.warning("a test result is not taken as evidence", error=error.detail)
                self._folder.drop_statement(name)

    def _file(self, kept: dict[str, Json]) -> None:
        what = "kept statement"
        self._registry.add_evidence(
            fields.text(kept, "model", what=what),
            fields.integer(kept, "version", what=what),
            fields.mapping(kept, "bundle", what=what),
        )


def _run(found: Mapping[str, acceptance.Evidence]) -> documents.SuiteRun:
    return documents.SuiteRun(
        configuration=[_configuration(name, one) for name, one in found.items()],
        passed=[name for name, one in found.items() if not one.reasons],
        failed=[name for name, one in found.items() if one.reasons],
        metrics={name: {**one.metrics, "reasons": [*one.reasons]} for name, one in found.items()},
    )


def _configuration(name: str, one: acceptance.Evidence) -> dict[str, Json]:
    """The template, with the digest of the data that it asks about."""
    dataset = str(one.metrics.get("dataset", "")).removeprefix("sha256:")
    return {"name": name, "digest": {"sha256": dataset}}
