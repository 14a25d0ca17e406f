"""The runtime's one configuration file: strict reading, and atomic writing for process mode.

Nothing of ours is taken from the environment or from the command line, so that the file is the
whole truth on what an instance was told. An unknown field or a wrong type names itself.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.core import canonical, digest, envelope, fields, names
from registry.core.canonical import Json
from registry.errors import InvalidConfig, InvalidInput
from runtime import durable, limits, observation, origins, policy, tuning
from runtime.limits import Limits
from runtime.observation import Declared
from runtime.policy import Policy
from runtime.tuning import DEFAULT_TUNING, Tuning

FORMATS = ("onnx", "saved_model", "torchscript", "ensemble")
# In this process; in one of its own; in one of its own first, to see that it loads.
ISOLATIONS = ("none", "process", "trial")
_SAID_ISOLATIONS = "none, process or trial"


@dataclass(frozen=True, slots=True)
class Pin:
    """One version to serve. `active` says whether requests that name no version go to it.

    `permit` is the reconciler's, as canonical JSON, and empty where none was handed over.
    `isolation` is one of ISOLATIONS.
    """

    model: str
    version: int
    digest: str
    format: str
    active: bool
    deployment: str = ""
    permit: str = ""
    isolation: str = "none"
    tuning: Tuning = DEFAULT_TUNING

    @property
    def wanted(self) -> envelope.Wanted:
        return envelope.Wanted(self.model, self.version, self.digest)


@dataclass(frozen=True, slots=True)
class Config:
    """The file as it stands; paths are as written, `control_token_file` only in process mode.
    `policies` has those models whose clients see more than the active version.

    The host shows the token in `token_file`, or the certificate that it got for the one-time
    token in `enrolment_token_file`; one of them is set. The registry's own certificate must be
    from `registry_ca_file`, or without it from an authority that the system trusts. Without
    `kserve_v1` the paths below /v1/ are TensorFlow Serving's alone, to the letter. gRPC is
    spoken where `grpc_listen` is not empty. `environment_file` has variables for engines."""

    listen: str
    cache: Path
    registry: str
    token_file: Path | None
    trust_file: Path
    host: str
    models: tuple[Pin, ...]
    control_token_file: Path | None
    limits: Limits
    enrolment_token_file: Path | None = None
    registry_ca_file: Path | None = None
    policies: Mapping[str, Policy] = field(default_factory=dict)
    observing: Declared = field(default_factory=Declared)
    kserve_v1: bool = True
    grpc_listen: str = ""
    # The folder of a version that came with this process, in place of any registry.
    image: Path | None = None
    environment_file: Path | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on; `[::]:8501` and `0.0.0.0:8501` are both fine."""
        return _address(self.listen)

    @property
    def grpc_address(self) -> tuple[str, int] | None:
        """Likewise; None where gRPC is not spoken."""
        return _address(self.grpc_listen) if self.grpc_listen else None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


_FIELDS = {
    "listen", "cache", "registry", "tokenFile", "trustFile", "host", "models",
    "controlTokenFile", "limits", "enrolmentTokenFile", "registryCaFile",
    "policies", "observing", "kserveV1", "grpcListen", "image", "environmentFile",
}  # fmt: skip
_PIN_FIELDS = {
    "model", "version", "digest", "format", "active", "deployment", "permit", "isolation",
    *tuning.TUNING_FIELDS,
}  # fmt: skip


def read(path: Path) -> Config:
    """Read the file; raises `InvalidConfig` naming the file and the field."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidConfig(
            f"{path}: cannot be read: {error.strerror}",
            fix="name the runtime's configuration file: python -m runtime --config FILE",
        ) from error
    return parse(data, what=path.name)


def parse(data: bytes, *, what: str) -> Config:
    """The configuration in `data`; raises `InvalidConfig`."""
    try:
        return _config(canonical.decode_object(data, what=what), what)
    except InvalidInput as error:
        raise InvalidConfig(error.detail, fix=error.fix) from error


def write(path: Path, config: Config) -> None:
    """Replace the file whole; a crash leaves the old one or the new one."""
    durable.replace(path, canonical.encode(_document(config)))


def with_policy(config: Config, model: str, found: Policy) -> Config:
    """A policy that says nothing is left out."""
    others = {name: other for name, other in config.policies.items() if name != model}
    kept = others if found == Policy() else {**others, model: found}
    return dataclasses.replace(config, policies=kept)


def wanted(config: Config) -> list[Pin]:
    """The versions to bring up at a start, active ones first."""
    found = []
    for model in sorted({pin.model for pin in config.models}):
        pins = [pin for pin in config.models if pin.model == model]
        active = next((pin.version for pin in pins if pin.active), None)
        asked = config.policies.get(model, Policy())
        up = policy.loaded(asked, frozenset(pin.version for pin in pins), active)
        found += [pin for pin in pins if pin.version in up]
    return sorted(found, key=lambda pin: not pin.active)


def with_models(config: Config, models: tuple[Pin, ...]) -> Config:
    return dataclasses.replace(config, models=models)


def _config(document: dict[str, Json], what: str) -> Config:
    fields.refuse_unknown(document, _FIELDS, what=what)
    pins = [
        pin(item, what=f"{what}: models[{number}]")
        for number, item in enumerate(fields.objects(document, "models", what=what))
    ]
    _refuse_doubles(pins, what)
    image = _path(document, "image", what)
    token, enrolment = (_path(document, name, what) for name in ("tokenFile", "enrolmentTokenFile"))
    origins.require_one(document, image, (token, enrolment), what=what)
    return Config(
        listen=_listen(document, "listen", what),
        cache=Path(fields.text(document, "cache", what=what)),
        registry="" if image else origins.url(document, what=what),
        token_file=token,
        trust_file=Path(fields.text(document, "trustFile", what=what)),
        host=names.slug(fields.text(document, "host", what=what), what=f"{what}: 'host'"),
        models=tuple(pins),
        control_token_file=_path(document, "controlTokenFile", what),
        limits=limits.read(document, what=what),
        enrolment_token_file=enrolment,
        registry_ca_file=_path(document, "registryCaFile", what),
        policies=policy.policies(document, what=what),
        observing=observation.read(document, what=what),
        kserve_v1=_flag(document, "kserveV1", what),
        grpc_listen=_listen(document, "grpcListen", what) if document.get("grpcListen") else "",
        image=image,
        environment_file=_path(document, "environmentFile", what),
    )


def _flag(document: dict[str, Json], name: str, what: str) -> bool:
    """True where the field is left out."""
    found = document.get(name, True)
    if not isinstance(found, bool):
        raise InvalidInput(f"{what}: {name!r} must be true or false")
    return found


def _path(document: dict[str, Json], name: str, what: str) -> Path | None:
    """The path in a field that may be left out, or null."""
    if document.get(name) is None:
        return None
    return Path(fields.text(document, name, what=what))


def pin(item: dict[str, Json], *, what: str) -> Pin:
    """One entry of `models`; raises `InvalidInput`."""
    fields.refuse_unknown(item, _PIN_FIELDS, what=what)
    active = item.get("active")
    if not isinstance(active, bool):
        raise InvalidInput(f"{what}: 'active' must be true or false")
    form = fields.text(item, "format", what=what)
    if form not in FORMATS:
        raise InvalidInput(f"{what}: 'format' is {form[:40]!r}, must be {' or '.join(FORMATS)}")
    try:
        version = names.version(item.get("version"))
        pinned = digest.parse(item.get("digest"))
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error.detail}", fix=error.fix) from error
    model = names.slug(fields.text(item, "model", what=what), what=f"{what}: 'model'")
    return Pin(
        model,
        version,
        pinned,
        form,
        active,
        fields.text(item, "deployment", what=what) if "deployment" in item else "",
        _permit(item, what),
        _isolation(item, what),
        tuning.parse(item, what=what),
    )


def _permit(item: dict[str, Json], what: str) -> str:
    """Whether it is any good is asked when the version is loaded, not here."""
    if item.get("permit") is None:
        return ""
    return canonical.encode(fields.mapping(item, "permit", what=what)).decode()


def _isolation(item: dict[str, Json], what: str) -> str:
    found = "none" if "isolation" not in item else fields.text(item, "isolation", what=what)
    if found not in ISOLATIONS:
        raise InvalidInput(f"{what}: 'isolation' is {found[:40]!r}", fix=f"use {_SAID_ISOLATIONS}")
    return found


def _refuse_doubles(pins: list[Pin], what: str) -> None:
    versions = [(pin.model, pin.version) for pin in pins]
    active = [pin.model for pin in pins if pin.active]
    for model, version in versions:
        if versions.count((model, version)) > 1:
            raise InvalidInput(f"{what}: models lists {model}@{version} twice")
        if active.count(model) > 1:
            raise InvalidInput(f"{what}: models has two active versions of {model!r}")


def _listen(document: dict[str, Json], name: str, what: str) -> str:
    text = fields.text(document, name, what=what)
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInput(
            f"{what}: {name!r} is {text[:80]!r}", fix="write address:port, such as 0.0.0.0:8501"
        )
    return text


def _document(config: Config) -> dict[str, Json]:
    return {
        "listen": config.listen,
        "cache": str(config.cache),
        "registry": config.registry or None,
        "tokenFile": _text(config.token_file),
        "trustFile": str(config.trust_file),
        "host": config.host,
        "models": [_pin_document(pin) for pin in config.models],
        "controlTokenFile": _text(config.control_token_file),
        "enrolmentTokenFile": _text(config.enrolment_token_file),
        "registryCaFile": _text(config.registry_ca_file),
        "policies": policy.document(config.policies),
        "observing": config.observing.document(),
        "kserveV1": config.kserve_v1,
        "grpcListen": config.grpc_listen or None,
        "image": _text(config.image),
        "environmentFile": _text(config.environment_file),
        "limits": config.limits.document(),
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _pin_document(pin: Pin) -> dict[str, Json]:
    document: dict[str, Json] = dataclasses.asdict(pin)
    del document["tuning"]
    permit = canonical.decode_object(pin.permit, what="permit") if pin.permit else None
    return {**document, "permit": permit, **pin.tuning.document()}
