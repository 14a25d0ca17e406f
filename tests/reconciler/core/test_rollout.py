"""What is remembered survives its JSON form, and damage to it is refused, not guessed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import rollout, rolloutjson
from reconciler.core.observed import InstanceSpec
from registry.errors import InvalidInput

texts = st.text(max_size=8)
times = st.floats(0, 1e10)
specs = st.builds(InstanceSpec, memory_bytes=st.integers(0, 2**40), cpus=st.floats(0.1, 64))
failures = st.builds(rollout.Failure, at=times)
candidates = st.builds(
    rollout.Candidate,
    spec=specs,
    since=times,
    seen_at=times,
    waited=times,
    acceptance=st.none() | st.builds(rollout.Acceptance, at=times),
    routed_at=st.none() | times,
)
hosts = st.builds(
    rollout.HostRollout,
    preflight=st.none() | st.builds(rollout.PreflightResult, at=times),
    candidate=st.none() | candidates,
    last_good=st.none() | specs,
    restarts=st.lists(st.builds(rollout.Restarted, at=times), max_size=2).map(tuple),
    failures=st.lists(failures, max_size=2).map(tuple),
)
quarantines = st.builds(rollout.Quarantined, spec=specs, at=times, failure=st.none() | failures)
rollouts = st.dictionaries(
    texts,
    st.builds(
        rollout.Rollout,
        hosts=st.dictionaries(texts, hosts, max_size=2),
        quarantined=st.lists(quarantines, max_size=2).map(tuple),
    ),
    max_size=2,
)


@given(rollouts)
def test_what_is_remembered_survives_its_json_form(known: dict[str, rollout.Rollout]) -> None:
    assert rolloutjson.load(rolloutjson.dump(known)) == known


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "deployments": {}}',
        '{"format": 1, "deployments": {"a": 1}}',
        '{"format": 1, "deployments": {"a": {"hosts": {"h": {}}, "quarantined": []}}}',
        '{"format": 1, "deployments": {"a": {"hosts": {}}}}',
    ],
)
def test_damaged_memory_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        rolloutjson.load(text.encode())


@given(rollouts, st.data())
def test_no_damage_to_memory_escapes_as_another_error(
    known: dict[str, rollout.Rollout], data: st.DataObject
) -> None:
    text = rolloutjson.dump(known).decode()
    tokens = ["true", "null", "1", '"x"', "[]", "{}"]
    cut = data.draw(st.integers(0, len(text)))
    damaged = text[:cut] + data.draw(st.sampled_from(tokens)) + text[cut + 1 :]
    try:
        found = rolloutjson.load(damaged.encode())
    except InvalidInput as error:
        assert error.detail  # noqa: PT017  either outcome is good, another error is not
    else:
        assert rolloutjson.load(rolloutjson.dump(found)) == found
