"""TensorFlow Serving's `models.config` and Triton's `config.pbtxt` as deployments of ours.

What has no place here is named with its line, never dropped in silence.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reconciler.core.foreign.textproto import Field, Message, parse
from registry.core.canonical import Json
from registry.errors import InvalidInput

_FORMATS = {
    "tensorflow": "saved_model",
    "tensorflow_savedmodel": "saved_model",
    "onnxruntime": "onnx",
    "onnxruntime_onnx": "onnx",
    "pytorch": "torchscript",
    "pytorch_libtorch": "torchscript",
}
_FROM_THE_FILE = {"name", "platform", "backend", "max_batch_size", "input", "output",
                  "default_model_filename"}  # fmt: skip
_LEFT = {
    "response_cache": "answers are not cached by declaration",
    "ensemble_scheduling": "ensembles are not taken over: deploy each model by itself",
    "sequence_batching": "there are no stateful sequences",
    "model_warmup": "every version is warmed up with zeros of its shapes",
}
_BATCHING = {"max_queue_delay_microseconds", "preferred_batch_size", "default_queue_policy",
             "priority_levels", "default_priority_level", "priority_queue_policy"}  # fmt: skip
_PINNED = "pins one version for each deployment: write one for each that shall serve"


@dataclass(slots=True)
class Imported:
    """One deployment to be. `left` says what was not taken over: line, what, why."""

    name: str
    format: str = "onnx"
    version: int | None = None
    runtime: dict[str, Json] = field(default_factory=dict)
    left: list[tuple[int, str, str]] = field(default_factory=list)

    def leave(self, found: Field, why: str) -> None:
        self.left.append((found.line, found.name, why))

    def leave_others(self, message: Message, known: Iterable[str], why: str) -> None:
        for found in message.fields:
            if found.name not in known:
                self.leave(found, why)


def tensorflow_serving(content: str) -> list[Imported]:
    """`model_config_list`; raises `InvalidInput`."""
    lists = parse(content).messages("model_config_list")
    configs = [config for listed in lists for config in listed.messages("config")]
    if not configs:
        raise InvalidInput("there is no model_config_list with a config in it")
    return [_served(config) for config in configs]


def triton(content: str, *, name: str) -> Imported:
    """One `config.pbtxt`; `name` is its folder's, for files that have none. Raises
    `InvalidInput`."""
    message = parse(content)
    found = Imported(message.text("name", name))
    kind = message.text("platform") or message.text("backend")
    if kind in _FORMATS:
        found.format = _FORMATS[kind]
    for one in message.fields:
        if one.name in {"platform", "backend"} and kind not in _FORMATS:
            found.leave(one, "there is no such engine")
        elif one.name not in _FROM_THE_FILE:
            _triton_field(found, message, one)
    if message.number("max_batch_size") > 0 and message.message("dynamic_batching") is None:
        lines = message.all("max_batch_size")
        found.leave(lines[-1], "without dynamic_batching Triton does not batch, and neither do we")
    return found


def _served(config: Message) -> Imported:
    found = Imported(config.text("name"), "saved_model")
    if not found.name:
        raise InvalidInput("a config of model_config_list has no name")
    for one in config.fields:
        match one.name:
            case "name" | "model_platform":
                continue
            case "base_path":
                found.leave(one, f"push its versions: plimsoll push {found.name} {one.value}/N")
            case "model_version_policy" if isinstance(one.value, Message):
                _version_policy(found, one, one.value)
            case "version_labels" if isinstance(one.value, Message):
                _label(found, one, one.value)
            case _:
                found.leave(one, "there is no such setting")
    return found


def _version_policy(found: Imported, policy: Field, said: Message) -> None:
    versions = [one for specific in said.messages("specific") for one in specific.all("versions")]
    if len(versions) == 1 and str(versions[0].value).isdecimal():
        found.version = int(str(versions[0].value))
    else:
        found.leave(policy, _PINNED)


def _label(found: Imported, label: Field, said: Message) -> None:
    if found.version is not None and said.number("value") == found.version:
        labels = found.runtime.setdefault("labels", [])
        assert isinstance(labels, list)  # noqa: S101  made here
        labels.append(said.text("key"))
    else:
        found.leave(label, "a label stands in the deployment of the version that it leads to")


def _triton_field(found: Imported, message: Message, one: Field) -> None:
    match one.name:
        case "version_policy" if isinstance(one.value, Message):
            _version_policy(found, one, one.value)
        case "instance_group" if isinstance(one.value, Message):
            _instances(found, one, one.value)
        case "dynamic_batching" if isinstance(one.value, Message):
            found.runtime["batching"] = _batching(found, message, one.value)
        case "parameters" if isinstance(one.value, Message):
            _parameter(found, one, one.value)
        case _:
            found.leave(one, _LEFT.get(one.name, "there is no such setting"))


def _instances(found: Imported, group: Field, said: Message) -> None:
    if said.text("kind") in {"KIND_GPU", "KIND_MODEL"}:
        found.leave(group, "models run on the CPU")
        return
    known = found.runtime.get("instances", 0)
    found.runtime["instances"] = (known if isinstance(known, int) else 0) + max(
        said.number("count"), 1
    )
    found.leave_others(said, {"name", "kind", "count"}, "there is no such setting")


def _parameter(found: Imported, parameter: Field, said: Message) -> None:
    value = said.message("value") or Message()
    if said.text("key") == "intra_op_thread_count" and value.number("string_value") > 0:
        found.runtime["threads"] = value.number("string_value")
    else:
        found.leave(parameter, f"there is no parameter {said.text('key')!r}")


def _batching(found: Imported, message: Message, said: Message) -> dict[str, Json]:
    most = max(message.number("max_batch_size"), 1)
    batching: dict[str, Json] = {"maxBatchSize": most}
    if delay := said.number("max_queue_delay_microseconds"):
        batching["delayMicroseconds"] = delay
    if sizes := [int(str(one.value)) for one in said.all("preferred_batch_size")
                 if str(one.value).isdecimal()]:  # fmt: skip
        batching["preferredSizes"] = [*sizes]
    usual = said.message("default_queue_policy") or Message()
    levels = said.number("priority_levels")
    if levels:
        own = {entry.number("key"): entry.message("value") or Message()
               for entry in said.messages("priority_queue_policy")}  # fmt: skip
        batching["priorities"] = [
            _queue(found, own.get(level, usual)) for level in range(1, min(levels, 64) + 1)
        ]
        batching["defaultPriority"] = said.number("default_priority_level") or levels
    elif queue := _queue(found, usual):
        batching["queue"] = queue
    found.leave_others(said, _BATCHING, "there is no such setting")
    return batching


def _queue(found: Imported, said: Message) -> dict[str, Json]:
    queue: dict[str, Json] = {}
    if size := said.number("max_queue_size"):
        queue["size"] = size
    if timeout := said.number("default_timeout_microseconds"):
        queue["timeoutMilliseconds"] = max(timeout // 1000, 1)
    for one in said.fields:
        if one.name == "timeout_action" and one.value == "DELAY":
            found.leave(one, "a request that waited too long is refused")
        elif one.name == "allow_timeout_override":
            found.leave(one, "a request may always ask for a shorter wait")
    return queue


def lines(imported: Imported) -> Iterator[str]:
    """The document, and as comments what is not in it."""
    for line, what, why in sorted(set(imported.left)):
        yield f"# not taken over, line {line}: {what}: {' '.join(why.split())}"
    yield "apiVersion: plimsoll.dev/v1"
    yield "kind: ModelDeployment"
    yield f"metadata: {{name: {_flow(imported.name)}, environment: production}}"
    yield "spec:"
    yield "  model:"
    yield f"    name: {_flow(imported.name)}"
    version = imported.version
    yield f"    version: {version}" if version else "    version:  # the one that shall serve"
    yield "    digest:  # as `plimsoll model show` prints it for that version"
    yield "  targets: {hosts: [edge-1]}"
    yield "  runtime:"
    yield "    image: plimsoll-runtime:1"
    yield f"    format: {imported.format}"
    yield "    resources: {memory: 1Gi, cpus: 1}"
    yield from (f"    {name}: {_flow(value)}" for name, value in imported.runtime.items())
    yield "  strategy: {blueGreen: {}}"


def _flow(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[a-z][a-z0-9._-]*", value) else json.dumps(value)
    return str(value)
