"""Our own runtime without a reconciler: as a Compose file, or as a systemd unit.

Both read `runtime.json`, which pins the version by its digest; token and trust root lie beside it
and are not written here. What is served is pulled and verified by the runtime itself.
"""

import json

from registry.making.rendering.rendered import Place, Rendered, Version, require

_FORMATS = dict.fromkeys(("onnx", "saved_model", "torchscript", "ensemble"))
_INSIDE, _CACHE = "/run/plimsoll", "/var/lib/plimsoll"


def compose(version: Version, place: Place) -> Rendered:
    """`docker compose up -d` in the folder; `token` and `trust.json` must lie there."""
    require(version, _FORMATS, "the runtime")
    service = {
        "image": place.image,
        "command": ["--config", f"{_INSIDE}/runtime.json"],
        "ports": [f"{place.port}:8501"],
        "volumes": [
            *(f"./{file}:{_INSIDE}/{file}:ro" for file in ("runtime.json", "token", "trust.json")),
            f"models:{_CACHE}",
        ],
        "user": "10001:10001",
        "read_only": True,
        "tmpfs": ["/tmp:rw,noexec,nosuid,nodev,size=256m,mode=1777"],  # noqa: S108  in there
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 512,
        "init": True,
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
        "labels": {
            "dev.plimsoll.model": version.model,
            "dev.plimsoll.version": str(version.version),
            "dev.plimsoll.digest": version.digest,
        },
    }
    document = {"services": {"runtime": service}, "volumes": {"models": {}}}
    # JSON is YAML; nothing in it can be read in two ways.
    return Rendered(
        {
            "compose.yaml": json.dumps(document, indent=2) + "\n",
            "runtime.json": _told(version, place, listen="0.0.0.0:8501", beside=_INSIDE,
                                  cache=_CACHE),
        }
    )  # fmt: skip


def systemd(version: Version, place: Place) -> Rendered:
    """A unit and its file; both say in their heads where they belong."""
    require(version, _FORMATS, "the runtime")
    name = f"plimsoll-{version.model}"
    beside = f"/etc/plimsoll/{version.model}"
    told = _told(version, place, listen=f"0.0.0.0:{place.port}", beside=beside,
                 cache=f"/var/lib/{name}")  # fmt: skip
    return Rendered({f"{name}.service": _unit(version, name, beside), "runtime.json": told})


def _told(version: Version, place: Place, *, listen: str, beside: str, cache: str) -> str:
    document = {
        "listen": listen,
        "cache": cache,
        "registry": place.registry,
        "tokenFile": f"{beside}/token",
        "trustFile": f"{beside}/trust.json",
        "host": place.host,
        "models": [
            {
                "model": version.model,
                "version": version.version,
                "digest": version.digest,
                "format": version.format,
                "active": True,
            }
        ],
        "controlTokenFile": None,
    }
    return json.dumps(document, indent=2) + "\n"


def _unit(version: Version, name: str, beside: str) -> str:
    return f"""# {version.model} {version.version}, {version.digest}
# useradd --system --home-dir /var/lib/plimsoll plimsoll
# {beside} holds runtime.json, token and trust.json: root:plimsoll, mode 0640.
[Unit]
Description=Plimsoll runtime: serves {version.model} {version.version}
Wants=network-online.target
# Not after the network: a version that is in its cache is served without any.

[Service]
User=plimsoll
Group=plimsoll
Environment=PYTHONUNBUFFERED=1
ExecStart=/opt/plimsoll/bin/python -m runtime --config {beside}/runtime.json
Restart=always
RestartSec=2
TimeoutStopSec=30
StateDirectory={name}
StateDirectoryMode=0700
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
TasksMax=512

[Install]
WantedBy=multi-user.target
"""
