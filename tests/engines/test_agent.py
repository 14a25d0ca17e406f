"""An agent on a real Docker Engine, over its unix socket, with nobody else to be reached."""

from pathlib import Path
from unittest.mock import patch

from reconciler import owning
from reconciler.engines import wire
from reconciler.loop import Loop
from registry import errors
from tests.engines import images
from tests.engines.rigs import Docker, served
from tests.reconciler.agents import OWN, agent, configured
from tests.reconciler.town import DEPLOYMENT, manifest, town
from tests.registry.publishing import Publisher

KEY = "production/digits"


def test_an_agent_on_docker_starts_heals_and_comes_back_offline(
    docker_rig: Docker, tmp_path: Path
) -> None:
    publisher, first, second = Publisher(), docker_rig.connect(), docker_rig.connect()
    with patch.object(owning, "SETTLE_S", 0.0), town(tmp_path, publisher) as here:
        host = docker_rig.host
        own = OWN.replace("edge-2", host).replace("8501", str(docker_rig.port))
        text = manifest(1, here.publish(1, publisher), hosts=f"[{host}]")
        here.origin.commit(
            {
                f"models.d/hosts/{host}.yaml": own,
                DEPLOYMENT: text.replace("plimsoll-runtime:dev", images.STANDIN),
            }
        )
        machine = configured(here, host)
        with agent(machine, first) as loop:
            until_served(docker_rig, loop)
            here.loop.hint()
            here.loop.tick()
            assert host not in here.loop.lanes.engines()
            here.server.stop()
            Path(here.origin.url).rename(tmp_path / "away")
            (name,) = [one.name for one in docker_rig.engine.observe().instances]
            docker_rig.api.kill(name)
            docker_rig.api.wait(name, timeout=60)
            until_served(docker_rig, loop)
        docker_rig.api.remove_container(name, force=True)
        docker_rig.lose_ingress()
        with agent(machine, second) as loop:
            until_served(docker_rig, loop)


def until_served(rig: Docker, loop: Loop) -> None:
    def is_so() -> bool:
        loop.tick()
        if KEY not in loop.memory.rollouts():
            return False
        is_good = loop.memory.rollouts()[KEY].on(rig.host).last_good is not None
        try:
            return is_good and served(rig) == 1
        except errors.EngineUnreachable:
            return False

    assert wire.until(is_so, timeout=120), loop.memory.rollouts()
