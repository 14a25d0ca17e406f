"""When two instances that are asked for are the same, and what they are called."""

import dataclasses
import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.observed import InstanceSpec

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SPECS = st.builds(
    InstanceSpec,
    **dict.fromkeys(("host", "deployment", "model", "digest", "format", "image", "commit"), TEXT),
    version=st.integers(1, 10**6),
    memory_bytes=st.integers(0, 2**50),
    cpus=st.floats(0, 1024),
    settings=st.one_of(st.just(""), TEXT),
)


@given(spec=SPECS)
def test_the_hash_is_that_of_the_fields_as_compact_json(spec: InstanceSpec) -> None:
    left_out = {"commit"} if spec.settings else {"commit", "settings"}
    fields = {one.name: getattr(spec, one.name) for one in dataclasses.fields(spec)}
    listed = [value for name, value in fields.items() if name not in left_out]
    text = json.dumps(listed, separators=(",", ":"))
    assert spec.spec_hash == hashlib.sha256(text.encode()).hexdigest()


@given(spec=SPECS, other=SPECS, fields=st.sets(st.sampled_from(list(InstanceSpec.__slots__))))
def test_two_are_alike_exactly_where_their_hashes_are(
    spec: InstanceSpec, other: InstanceSpec, fields: set[str]
) -> None:
    mixed = dataclasses.replace(spec, **{name: getattr(other, name) for name in fields})
    assert mixed.is_like(spec) == (mixed.spec_hash == spec.spec_hash)
    assert spec.is_like(dataclasses.replace(spec, commit=other.commit))
