"""The beginning of a model card: what is known is filled in, what only its maker knows is asked."""

from collections.abc import Mapping

from registry.core.tensors import Tensor
from registry.making.exporting.forms import TITLES
from registry.making.exporting.report import Difference, Report


def text(report: Report) -> str:
    """Markdown with front matter, as Hugging Face has it."""
    route = " → ".join(TITLES[form] for form in report.route)
    made_by = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return f"""---
model_name: {report.name}
library_name: {report.form}
---
# {report.name}

What is it for, who made it, what was it trained on, where does it fail? Only you can say:
write it here.

## What it takes and gives

| | name | type | shape |
|---|---|---|---|
{_rows("input", report.signature.inputs)}
{_rows("output", report.signature.outputs)}

## How it was made

From {report.source}: {route}. With {made_by}.

Compared with the original on {report.samples["golden"]} golden and {report.samples["seeded"]}
seeded samples:

| inputs | output | largest difference | relative | cosine | same highest |
|---|---|---|---|---|---|
{_differences("golden", report.golden)}
{_differences("seeded", report.seeded)}
"""


def _rows(side: str, tensors: tuple[Tensor, ...]) -> str:
    return "\n".join(
        f"| {side} | {one.name} | {one.dtype} | {_shape(one.shape)} |" for one in tensors
    )


def _shape(shape: tuple[int | None, ...] | None) -> str:
    return "any" if shape is None else " × ".join("any" if n is None else str(n) for n in shape)


def _differences(kind: str, found: Mapping[str, Difference]) -> str:
    return "\n".join(
        f"| {kind} | {name} | {_cell(one.largest)} | {_cell(one.largest_relative)} | "
        f"{_cell(one.cosine)} | {_cell(one.argmax)} |"
        for name, one in found.items()
    )


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
