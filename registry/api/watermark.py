"""Marks of versions, whose copy a suspect is, and keys for auditors."""

from typing import Annotated

from fastapi import Path

from registry.api import wire_watermark as wire
from registry.api.access import Known, Opened, guarded
from registry.core.oms import File
from registry.core.watermark import plot
from registry.usecases import detection, disclosing

router = guarded("watermark")

Number = Annotated[int, Path(gt=0, lt=2**63)]


@router.post("/v1/watermark/detections", summary="Find whose copy a suspect is")
def detect(registry: Opened, caller: Known, asked: wire.NewDetection) -> wire.DetectionDocument:
    """The suspect's files are uploaded first. They are read in a sandbox and never loaded.

    `report` is a Sigstore bundle; the registry keeps its digest in the log and nothing else of it.
    """
    files = tuple(File(one.path, one.digest, one.size) for one in asked.files)
    wanted = detection.Asked(files, asked.format or "", asked.against)
    found = detection.detect(registry, wanted, caller)
    return wire.DetectionDocument(
        finding=str(found.report.verdict.finding),
        sentence=found.report.verdict.sentence,
        named=list(found.report.verdict.named),
        report=found.bundle,
        plot=plot.draw(found.report),
        log_index=found.log_index,
    )


@router.get("/v1/models/{name}/versions/{version}/watermark", summary="The marks of a version")
def marks(registry: Opened, name: str, version: Number) -> wire.MarkList:
    return wire.MarkList(
        marks=[wire.mark_document(one) for one in disclosing.marks(registry, name, version)]
    )


@router.post(
    "/v1/models/{name}/versions/{version}/watermark/keys",
    status_code=201,
    summary="The key of one recipient's copy, for an auditor",
)
def disclose(
    registry: Opened, caller: Known, name: str, version: Number, wish: wire.NewDisclosure
) -> wire.DisclosureDocument:
    """It reveals no other recipient's mark, and is given again whenever it is asked for."""
    wanted = disclosing.Wish(name, version, wish.variant, wish.recipient, wish.reason)
    given = disclosing.disclose(registry, wanted, caller)
    return wire.DisclosureDocument(key=given.bundle, log_index=given.log_index)
