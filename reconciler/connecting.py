"""How the settings and a host's file become a connection to its engine."""

from reconciler import config, engines, lanes
from reconciler.core import kinds
from reconciler.engines.protocol import Engine


def to_hosts(settings: config.Config) -> lanes.Connect:
    """How its hosts' engines are reached."""

    def connect(name: str, kind: kinds.Host) -> Engine:
        credentials = settings.credentials / name
        driver = kind.spec.ingress.driver or "traefik"
        return engines.connect(
            host=name,
            address=kind.spec.engine.address,
            mode=kind.spec.engine.mode or "",
            front=engines.Front(
                port=kind.spec.ingress.port,
                metrics_port=kind.spec.ingress.metrics_port or 0,
                image=settings.haproxy_image if driver == "haproxy" else settings.ingress_image,
                driver=driver,
                grpc_port=kind.spec.ingress.grpc_port or 0,
            ),
            state=settings.state / "hosts",
            credentials=credentials if credentials.is_dir() else None,
        )

    return connect
