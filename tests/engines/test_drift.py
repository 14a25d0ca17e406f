"""What others do to our containers on a real engine: told at once, and put right."""

from tests.engines import listening, rigs
from tests.engines.rigs import Docker, serve


def test_what_happens_to_an_instance_is_told_and_looking_is_not(docker_rig: Docker) -> None:
    spec = docker_rig.spec()
    serve(docker_rig, spec)
    with listening.hearing(docker_rig.engine) as heard, rigs.docker_host() as other:
        other.engine.start(other.spec(), other.launch)
        for _ in range(3):
            docker_rig.engine.observe()
        assert all(one.startswith("network plimsoll") for one in heard.words), heard.words
        for do, word in (
            (docker_rig.api.pause, "pause"),
            (docker_rig.api.unpause, "unpause"),
            (docker_rig.api.kill, "die"),
        ):
            do(spec.name)
            assert heard.within(10, f"container {spec.name} {word}"), heard.words
