"""A real Prometheus over TLS, which scrapes a real runtime with two versions of a model."""

import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx2

from reconciler.config import Source, Sources
from reconciler.engines.protocol import Endpoint
from reconciler.measuring import Context, Site, Variant
from tests.ports import free_port
from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, Runtime, pin, running
from tests.runtime.stand_in import StandIn

CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: runtime
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@dataclass
class Prometheus:
    """`ca` is whom to believe about it."""

    url: str
    ca: Path

    def value(self, query: str) -> float | None:
        """Of the first series there is; None too while it begins, and says so in prose."""
        asked, believed = {"query": query}, believing(self.ca)
        answer = httpx2.get(
            f"{self.url}/api/v1/query", params=asked, verify=believed, trust_env=False, timeout=60
        )
        series = answer.json()["data"]["result"] if answer.status_code == 200 else []
        return float(series[0]["value"][1]) if series else None


@cache
def believing(authority: Path) -> ssl.SSLContext:
    """What trusts this authority alone."""
    return ssl.create_default_context(cafile=str(authority))


@contextmanager
def prometheus(folder: Path, *, scraping: int, rules: Path | None = None) -> Iterator[Prometheus]:
    """Debian's, on a port of its own, until the block ends."""
    port = free_port()
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    ruled = f"rule_files: [{rules}]\n" if rules else ""
    (folder / "prometheus.yml").write_text(CONFIG.format(port=scraping) + ruled)
    (folder / "web.yml").write_text(
        f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n"
    )
    with (folder / "prometheus.log").open("wb") as log:
        child = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--web.config.file={folder}/web.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stderr=log,
        )  # fmt: skip
    try:
        found = Prometheus(f"https://127.0.0.1:{port}", certificate)
        until(
            lambda: found.value("last_over_time(up[1m])") == 1.0,
            what=(folder / "prometheus.log").read_text,
        )
        yield found
    finally:
        child.terminate()
        child.wait(30)


@contextmanager
def two_versions(folder: Path) -> Iterator[Runtime]:
    """Version 1 serves; version 2, trained on nonsense, is seen by whoever has the token."""
    registry = StandIn()
    with registry.answering():
        stable = registry.publish(models.onnx_digits())
        candidate = registry.publish(models.onnx_digits(shuffled=True), version=2)
        runtime = Runtime(folder, registry)
        runtime.models = [pin(stable), pin(candidate, active=False)]
        with running(runtime):
            runtime.until(
                lambda: all(runtime.status(one)["state"] == "AVAILABLE" for one in (1, 2))
            )
            yield runtime


def context(runtime: Runtime, seen: Prometheus, *, ca: Path | None = None) -> Context:
    """The rollout of version 2."""
    door = Endpoint(
        f"http://127.0.0.1:{runtime.port}", {"authorization": f"Bearer {CONTROL_TOKEN}"}
    )
    site = Site("edge-1", Variant("two", 2, door), Variant("one", 1, door))
    args = {"model": "digits", "candidate-version": "2", "hostile": '"} or vector(0) #'}
    known = Sources(prometheus=(Source(seen.url, ca or seen.ca),))
    return Context("digits", (site,), args, known)


def until(holds: Callable[[], bool], *, what: Callable[[], str], seconds: float = 120) -> None:
    """Poll, and leave the machine to what is waited for; `what` says why it never comes true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(httpx2.TransportError):
            if holds():
                return
        time.sleep(0.2)
    raise AssertionError(f"it never held: {what()}")
