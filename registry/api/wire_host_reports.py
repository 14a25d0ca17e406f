"""What reconcilers and agents tell of a host: what it has and holds, and lines that were wished."""

from typing import Annotated

from pydantic import Field, StringConstraints

from registry.api.wire import Document
from registry.core import host_report
from registry.usecases.host_reports import Report, Written

Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
Cores = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Line = Annotated[str, StringConstraints(max_length=host_report.LINE)]


class Capacity(Document):
    """What of the host is for models, as its file declares it."""

    memory_bytes: Bytes | None = None
    cpus: Cores | None = None


class Held(Document):
    """What is held and kept busy, and the limits to that; null: not known, or without a limit."""

    memory_bytes: Bytes | None = None
    cpus: Cores | None = None
    memory_limit: Bytes | None = None
    cpu_limit: Cores | None = None


class ReportedInstance(Held):
    """One instance of the deployment `environment/name`, with its last `lines`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    deployment: Annotated[str, StringConstraints(pattern=r"^[^/]{1,128}/[^/]{1,128}$")]
    model: Name
    version: Annotated[int, Field(ge=0, lt=2**63)]
    lines: Annotated[list[Line], Field(max_length=host_report.LINES)] = []


class NewHostReport(Document):
    """`together` is of all instances where they share a process, `unknown` why something cannot be
    told. `pageLogs` is how many lines of each instance are told; with 0 none are, nor kept."""

    memory_bytes: Bytes | None = None
    cpus: Cores | None = None
    declared: Capacity | None = None
    together: Held | None = None
    unknown: Annotated[str, StringConstraints(max_length=300)] = ""
    page_logs: Annotated[int, Field(ge=0, le=host_report.LINES)] = 0
    instances: Annotated[list[ReportedInstance], Field(max_length=host_report.INSTANCES)] = []


def report(told: NewHostReport) -> Report:
    """Lines apart from all else; the last report of an instance that is named twice."""
    document = told.model_dump(
        by_alias=True, exclude={"page_logs": True, "instances": {"__all__": {"lines"}}}
    )
    named = {one.name: one for one in told.instances}
    written = [
        Written(one.name, environment, name, one.model, one.version, one.lines)
        for one in named.values()
        for environment, _, name in [one.deployment.partition("/")]
    ]
    return Report(document, told.page_logs, written)
