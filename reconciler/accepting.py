"""Accepts a candidate or refuses it: runs its tests, or finds that they passed before, and says so
in the log and as signed evidence on the digest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from reconciler import acceptance, attesting, goldens, journal
from reconciler.core import actions, desired, kinds, outcomes, reuse
from reconciler.core.observed import InstanceSpec
from reconciler.engines.protocol import Engine
from reconciler.trials import beside
from reconciler.trials import subject as subjects
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.evidence import Verified

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Accepting:
    """`known` tells the evidence on a candidate's digest that reconcilers signed."""

    journal: journal.Journal
    attester: attesting.Attester
    goldens: goldens.Goldens
    known: Callable[[InstanceSpec], tuple[Verified, ...]]

    def perform(
        self, action: actions.Accept, state: desired.DesiredState, engines: Mapping[str, Engine]
    ) -> outcomes.Outcome:
        """Every template of the deployment. Raises what is no verdict: nobody answered."""
        spec, templates = action.spec, state.deployments[action.spec.deployment].templates
        beside.alone(engines[action.host], spec.name)
        subject = subjects.of(action, engines)
        known = self._known(spec, templates)
        fresh: dict[str, acceptance.Evidence] = {}
        results: dict[str, acceptance.Evidence] = {}
        for template in templates:
            name, serving = template.metadata.name, subject.serving
            ran = reuse.ran(template.spec, spec, "" if serving is None else serving.digest)
            found = self._before(template, ran, known)
            if found is None:
                data = self.goldens.read(template.spec, state.datasets)
                once = acceptance.run(template.spec, data, subject, template=name)
                found = acceptance.Evidence(once.reasons, {**once.metrics, reuse.RAN: ran})
                fresh[name] = found
            results[name] = found
        self._tell(spec, results)
        self.attester.attest(spec, fresh)
        reasons = _reasons(results)
        return outcomes.Tested(not reasons, reasons)

    def _known(
        self, spec: InstanceSpec, templates: tuple[kinds.AcceptanceTemplate, ...]
    ) -> tuple[Verified, ...]:
        """What cannot be asked for now is not known: then the tests are run."""
        if not any(reuse.is_lasting(template.spec) for template in templates):
            return ()
        try:
            return self.known(spec)
        except errors.PlimsollError as error:
            log.warning("earlier test results are not looked at", error=error.detail)
            return ()

    def _before(
        self,
        template: kinds.AcceptanceTemplate,
        ran: dict[str, Json],
        known: tuple[Verified, ...],
    ) -> acceptance.Evidence | None:
        name = template.metadata.name
        found = reuse.passed(name, ran, known) if reuse.is_lasting(template.spec) else None
        if found is None:
            return None
        before: Json = {"at": found.at, "signer": found.signer, "logIndex": found.log_index}
        measured = {**reuse.metrics(found, name), "reused": before}
        return acceptance.Evidence((), {k: v for k, v in measured.items() if k != "reasons"})

    def _tell(self, spec: InstanceSpec, results: Mapping[str, acceptance.Evidence]) -> None:
        reasons = _reasons(results)
        evidence: dict[str, Json] = {
            name: {**one.metrics, "passed": not one.reasons} for name, one in results.items()
        }
        summary = "; ".join(reasons) or _passed(results)
        detail: dict[str, Json] = {"passed": not reasons, "evidence": evidence}
        self.journal.record(Kind.TESTED, journal.about(spec, summary, detail))


def _reasons(results: Mapping[str, acceptance.Evidence]) -> tuple[str, ...]:
    return tuple(f"{name}: {why}" for name, one in results.items() for why in one.reasons)


def _passed(results: Mapping[str, acceptance.Evidence]) -> str:
    before = [name for name, one in results.items() if "reused" in one.metrics]
    said = "all acceptance tests passed"
    return f"{said}; not run again, since nothing changed: {', '.join(before)}" if before else said
