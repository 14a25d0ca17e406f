"""Secrets from Git to an instance: who gets them, when, and that nothing else ever shows one."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

import pytest

from reconciler import config, doctor, owning, service
from reconciler.core.observed import Health
from registry.core import canonical
from registry.core.canonical import Json
from tests.reconciler import sealed
from tests.reconciler.agents import OWN, agent, configured, run
from tests.reconciler.sealed import CANARY, PATH
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import DEPLOYMENT, Town, manifest, reconciler, town
from tests.registry.publishing import Publisher

ENV = "env: [{name: TOKEN, secret: {name: tracing, key: token}}, {name: LEVEL, value: high}], "


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    sealed.key_file(tmp_path)
    publisher = Publisher()
    with town(tmp_path, publisher, 'age_identity_file = "age.key"\n') as made:
        for version in (1, 2):
            made.publish(version, publisher)
        yield made


def deploy(here: Town, version: int, file: str | None = None, hosts: str = "[edge-1]") -> None:
    text = manifest(version, here.digests[version], hosts=hosts)
    text = text.replace("runtime: {", f"runtime: {{{ENV}")
    files: dict[str, str | None] = {DEPLOYMENT: text}
    here.origin.commit(files if file is None else {**files, PATH: file}, f"Serve {version}")
    here.loop.hint()
    here.settle()


def environment(here: Town, host: str = "edge-1") -> dict[str, str]:
    """What the instance that serves was handed."""
    serving = here.serving(host)
    assert serving is not None
    return dict(here.hosts[host].launches[serving.name].environment)


def test_an_instance_is_handed_its_secret_in_the_clear_and_its_plain_values(here: Town) -> None:
    deploy(here, 1, sealed.encrypted(sealed.plain()))
    assert environment(here) == {"TOKEN": f"{CANARY}-one", "LEVEL": "high"}


def test_another_value_is_rolled_out_and_the_same_one_anew_is_not(here: Town) -> None:
    first = sealed.encrypted(sealed.plain())
    deploy(here, 1, first)
    before = here.serving()
    beside = sealed.encrypted(sealed.plain().replace("always", "changed"), before=first)
    deploy(here, 1, beside)
    assert here.serving() == before, "another value of the same file is not its own"
    deploy(here, 1, sealed.encrypted(sealed.plain("two"), before=first))
    assert here.serving() != before
    assert environment(here)["TOKEN"] == f"{CANARY}-two"


def test_without_the_key_no_host_changes_and_the_status_says_what_to_do(here: Town) -> None:
    deploy(here, 1, sealed.encrypted(sealed.plain()))
    before = here.serving()
    deploy(here, 2, sealed.encrypted(sealed.plain("two"), sealed.identity("stranger")))
    assert here.serving() == before
    assert len(here.hosts["edge-1"].instances) == 1
    said = json.dumps(here.status())
    assert f"{PATH}: it was encrypted to {sealed.identity('stranger').recipient}" in said
    assert "plimsoll secrets keys" in said


def seen_by_the_doctor(here: Town) -> doctor.Finding:
    settings = config.load(here.folder / "plimsoll.toml")
    (found,) = [one for one in doctor.findings(settings) if one.part == "age key"]
    return found


def test_the_doctor_says_whether_the_key_is_there_is_its_owners_and_opens_the_files(
    here: Town,
) -> None:
    deploy(here, 1, sealed.encrypted(sealed.plain()))
    assert seen_by_the_doctor(here).fix == ""
    key = here.folder / "age.key"
    key.chmod(0o640)
    loose = seen_by_the_doctor(here)
    assert "0640 lets others read" in loose.seen
    assert loose.fix.startswith(f"chmod 600 {key}")
    key.chmod(0o600)
    deploy(here, 2, sealed.encrypted(sealed.plain("two"), sealed.identity("stranger")))
    other = seen_by_the_doctor(here)
    assert f"{PATH}: it was encrypted to {sealed.identity('stranger').recipient}" in other.seen
    assert "plimsoll secrets keys" in other.fix
    key.unlink()
    assert "plimsoll secrets keys" in seen_by_the_doctor(here).fix
    assert CANARY not in repr([loose, other])


@pytest.mark.parametrize(
    ("old", "new"), [("production", "staging"), ("- default", "- risk"), ("tracing", "others")]
)
def test_who_may_use_a_secret_cannot_be_changed_without_its_key(
    here: Town, old: str, new: str
) -> None:
    content = sealed.encrypted(
        sealed.plain(used_by=f"[{{environment: {new}, projects: [default]}}]")
        if old == "production"
        else sealed.plain(used_by="[{environment: production, projects: [risk]}]")
        if new == "- risk"
        else sealed.plain(name=new)
    )
    assert content.replace(new, old) != content
    deploy(here, 1, content.replace(new, old))
    assert here.hosts["edge-1"].writes == []
    assert "its MAC does not fit" in json.dumps(here.status())


def test_a_host_goes_back_to_the_value_that_it_served_with(here: Town) -> None:
    """Git has only the new one by then."""
    deploy(here, 1, sealed.encrypted(sealed.plain()))
    here.hosts["edge-1"].becomes[here.digests[2]] = Health.REFUSED
    deploy(here, 2, sealed.encrypted(sealed.plain("two")))
    serving = here.serving()
    assert serving is not None
    assert serving.version == 1
    del here.hosts["edge-1"].instances[serving.name]
    here.loop.hint()
    here.settle()
    assert here.serving() is not None
    assert environment(here)["TOKEN"] == f"{CANARY}-one"


def test_an_agent_opens_secrets_with_a_key_of_its_own(here: Town) -> None:
    here.origin.commit({"models.d/hosts/edge-2.yaml": OWN})
    machine, engine = configured(here), SimulatedEngine("edge-2")
    with (machine / "agent.toml").open("a") as file:
        file.write('age_identity_file = "age.key"\n')
    sealed.key_file(machine, sealed.identity("edge-2"))
    both = sealed.encrypted(sealed.plain(), sealed.identity(), sealed.identity("edge-2"))
    with patch.object(owning, "SETTLE_S", 0.0), agent(machine, engine) as loop:
        deploy(here, 1, both, hosts="[edge-2]")
        run(loop)
        serving = engine.serving("digits")
        assert serving is not None
        assert engine.launches[serving.name].environment["TOKEN"] == f"{CANARY}-one"
        left = files_below(machine / "agent")
    assert left
    assert not [data for data in left if CANARY.encode() in data]


def test_no_plan_status_entry_event_error_log_or_file_ever_holds_a_value(
    here: Town, capfd: pytest.CaptureFixture[str]
) -> None:
    """A good rollout, a changed value, a wrong key, a changed MAC, plain text, a way back."""
    first = sealed.encrypted(sealed.plain())
    said = []
    plain = sealed.plain().replace("token: ", "token: 2026-01-01")
    for version, content in (
        (1, first),
        (1, sealed.encrypted(sealed.plain("two"), before=first)),
        (2, sealed.encrypted(sealed.plain("three"), sealed.identity("stranger"))),
        (2, first.replace("production", "prod")),
        (2, plain),
        (2, sealed.encrypted(sealed.plain("four"))),
    ):
        deploy(here, version, content)
        said += [json.dumps(here.status()), *shown(here)]
    assert environment(here)["TOKEN"] == f"{CANARY}-four", "it was there to be leaked"
    captured = capfd.readouterr()
    said += [captured.out, captured.err]
    said += [data.decode(errors="replace") for data in stored(here)]
    assert not [text for text in said if CANARY in text]


def shown(here: Town) -> Iterator[str]:
    """All that people see: the plan, the log, the events that webhooks carry, instances."""
    yield repr(service.preview(here.folder / "plimsoll.toml"))
    for entry in here.log():
        yield repr(entry)
    for host in here.hosts.values():
        yield repr(host.writes)
        yield from (repr(one) for one in host.instances.values())
        yield from (repr(one) for one in host.launches.values())
    for rollout in here.loop.memory.rollouts().values():
        yield repr(rollout)
    state = here.loop.source._state
    assert state is not None
    yield from (repr(asdict(one)) for one in state.problems)


def stored(here: Town) -> Iterator[bytes]:
    """What a reconciler and a registry leave on disk; Git has what was pushed in the clear."""
    for folder in (here.folder / "reconciler", here.folder / "registry"):
        yield from files_below(folder)


def files_below(folder: Path) -> list[bytes]:
    """What is in them; one that was renamed meanwhile is there under its other name too."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and "repository.git" not in path.parts:
                found.append(path.read_bytes())
    return found


def test_a_key_that_others_may_read_opens_nothing(here: Town) -> None:
    (here.folder / "age.key").chmod(0o644)
    deploy(here, 1, sealed.encrypted(sealed.plain()))
    assert here.hosts["edge-1"].writes == []
    assert "lets others read this private key" in json.dumps(here.status())


def test_a_reconciler_without_a_key_says_which_setting_is_missing(here: Town) -> None:
    path = here.folder / "plimsoll.toml"
    path.write_text(path.read_text().replace('age_identity_file = "age.key"', ""))
    here.loop.memory._folder.close()
    with reconciler(here.folder, here.hosts) as again:
        here.loop = again
        deploy(here, 1, sealed.encrypted(sealed.plain()))
    assert here.hosts["edge-1"].writes == []
    assert "age_identity_file" in json.dumps(here.status())


def test_settings_tell_a_secret_by_its_ciphertext(here: Town) -> None:
    deploy(here, 1, sealed.encrypted(sealed.plain()))
    kept = here.loop.memory.rollouts()["production/digits"].hosts["edge-1"].last_good
    assert kept is not None
    declared: dict[str, Json] = canonical.decode_object(kept.settings.encode(), what="settings")
    assert isinstance(declared["env"], list)
    assert declared["env"][0] == {"name": "LEVEL", "value": "high"}
    assert isinstance(declared["env"][1], dict)
    assert declared["env"][1]["secret"] == "tracing/token"
