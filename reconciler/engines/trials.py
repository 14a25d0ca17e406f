"""Tests in containers on a Docker Engine: each in a network of its own, with its candidate alone.

The network is internal, and its bridge has no address: there is no way out of it, not to the host
itself. What a test may fill is its memory, which its /tmp is a part of, and a log that the engine
cuts; an image that brings volumes is refused, since those are on the host's disk without a limit.
"""

import contextlib

import docker
import docker.errors

from reconciler.core.trials import container
from reconciler.engines import archives, commands, listing, tolerating
from reconciler.engines.protocol import Trial
from reconciler.engines.transport import Connection
from registry import errors

_NOTES = 20
_NOTES_BYTES = 16 * 1024


class DockerTrials:
    """Of one host; whoever asks has the engine's own connection."""

    def __init__(self, host: str, connection: Connection) -> None:
        self._host = host
        self._connection = connection

    def obstacles(self, image: str) -> list[str]:
        with self._speaking(f"look for the test {image}") as api:
            try:
                config = api.inspect_image(image)["Config"]  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return [f"image {image} of a custom test is not on {self._host}"]
        if not config.get("Volumes"):
            return []
        listed = ", ".join(sorted(config["Volumes"]))[:200]
        return [f"image {image} of a custom test declares volumes ({listed}), without a limit"]

    def begin(self, trial: Trial) -> None:
        self.end(trial.name)
        if found := self.obstacles(trial.image):
            fix = "load the image onto the host, and take VOLUME out of its Dockerfile"
            raise errors.EngineRefused(found[0], fix=fix)
        with self._speaking(f"start the test {trial.image}") as api:
            api.create_network(
                trial.name,
                driver="bridge",
                internal=True,
                options={"com.docker.network.bridge.inhibit_ipv4": "true"},
                labels=commands.trial_labels(trial, host=self._host),
            )
            api.connect_container_to_network(trial.instance, trial.name)
            candidate = _address(api, trial.instance, network=trial.name)
            body = commands.trial_container(trial, host=self._host, candidate=candidate)
            self._connection.create(api, body, name=trial.name)
            api.start(trial.name)

    def look(self, name: str) -> container.Ended | None:
        with self._speaking(f"look at the test {name}") as api:
            found = api.inspect_container(name)
            state = found["State"]
            if state["Running"]:
                return None
            return container.Ended(
                code=int(state["ExitCode"]),
                output=_log(api, name, container.OUTPUT_LIMIT + 1, stdout=1),
                notes=_log(api, name, _NOTES_BYTES, stderr=1, tail=_NOTES).decode(errors="replace"),
                is_out_of_memory=bool(state["OOMKilled"]),
                image=str(found["Image"]),
            )

    def end(self, name: str) -> None:
        with self._speaking(f"remove the test {name}") as api:
            with tolerating.absence():
                api.remove_container(name, v=True, force=True)
            for network in api.networks(names=[f"^{name}$"]):
                _remove_network(api, network["Id"])

    def end_all_of(self, instance: str) -> None:
        """What a reconciler left that died in the middle of a test."""
        with self._speaking(f"list the tests of {instance}") as api:
            labels = [
                *commands.owned_by(self._host),
                f"{commands.LABEL}.kind=trial",
                f"{commands.LABEL}.instance={instance}",
            ]
            found = api.containers(all=True, filters={"label": labels})
            networks = api.networks(filters={"label": labels})
        for name in {*map(listing.name, found), *(one["Name"] for one in networks)}:
            self.end(name)

    def _speaking(self, doing: str) -> contextlib.AbstractContextManager[docker.APIClient]:
        return self._connection.speaking(f"{self._host}: {doing}")


def _address(api: docker.APIClient, instance: str, *, network: str) -> str:
    found = api.inspect_container(instance)["NetworkSettings"]["Networks"]
    return str(found[network]["IPAddress"])


def _log(api: docker.APIClient, name: str, limit: int, **wanted: int) -> bytes:
    """The first bytes of what it wrote, at most `limit`, however much there is."""
    url = f"{api.base_url}/v{api.api_version}/containers/{name}/logs"
    answer = api.get(url, params=wanted, stream=True, timeout=api.timeout)
    with contextlib.closing(answer):
        answer.raise_for_status()
        return archives.unframed(answer.raw, limit)


def _remove_network(api: docker.APIClient, network: str) -> None:
    with tolerating.absence():
        for attached in api.inspect_network(network).get("Containers") or {}:
            with tolerating.absence():
                api.disconnect_container_from_network(attached, network, force=True)
        api.remove_network(network)
