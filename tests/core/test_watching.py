"""Whoever watches a log believes only one history of it, however it is told to him."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.core import cosignature, note, watching
from tests.core.logs import Log, Witness, log_of

LOG = log_of(40)
FORK = Log([*LOG.leaves[:20], *(b"another %d" % n for n in range(20))], LOG.key)


def no_proof(old: int, new: int) -> list[bytes]:
    raise errors.NotFound(f"no proof from {old} to {new}")


def away(old: int, new: int) -> list[bytes]:
    raise errors.Unavailable("the registry does not answer")


@given(st.integers(0, 40), st.integers(0, 40))
def test_two_views_of_one_log_agree_and_the_later_is_kept(one: int, other: int) -> None:
    first, second = LOG.checkpoint(one), LOG.checkpoint(other)
    assert watching.later(first, second, LOG.consistency).size == max(one, other)


@given(st.integers(21, 40), st.integers(21, 40))
def test_two_histories_are_a_fork_in_either_order(one: int, other: int) -> None:
    ours, theirs = LOG.checkpoint(one), FORK.checkpoint(other)
    for log in (LOG, FORK):
        for last, seen in ((ours, theirs), (theirs, ours)):
            with pytest.raises(errors.LogForked):
                watching.later(last, seen, log.consistency)


def test_a_rolled_back_log_cannot_show_that_it_has_grown() -> None:
    with pytest.raises(errors.LogForked, match="cannot show"):
        watching.later(LOG.checkpoint(40), LOG.checkpoint(30), no_proof)


def test_the_same_size_with_another_root_is_a_fork_without_asking_anybody() -> None:
    with pytest.raises(errors.LogForked, match="two different logs"):
        watching.later(LOG.checkpoint(30), FORK.checkpoint(30), away)


def test_a_registry_that_is_away_proves_nothing_and_disproves_nothing() -> None:
    with pytest.raises(errors.Unavailable):
        watching.later(LOG.checkpoint(20), LOG.checkpoint(30), away)


def test_the_first_look_and_an_empty_log_need_no_proof() -> None:
    assert watching.later(None, LOG.checkpoint(9), away).size == 9
    assert watching.later(LOG.checkpoint(0), LOG.checkpoint(9), away).size == 9
    assert watching.later(LOG.checkpoint(9), LOG.checkpoint(0), away).size == 9


@given(st.integers(1, 39), st.data())
def test_any_changed_consistency_proof_is_refused(old: int, data: st.DataObject) -> None:
    proof = LOG.consistency(old, 40)
    at = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[at][0] ^ data.draw(st.integers(1, 255))]) + proof[at][1:]
    for changed in (
        [*proof[:at], flipped, *proof[at + 1 :]],
        [*proof[:at], *proof[at + 1 :]],
        [*proof[:at], proof[at], *proof[at:]],
        [*proof, bytes(32)],
    ):
        with pytest.raises(errors.LogForked):
            watching.later(LOG.checkpoint(old), LOG.checkpoint(40), lambda *_, got=changed: got)


def test_a_checkpoint_stripped_to_the_logs_own_line_is_what_the_log_signed() -> None:
    plain = LOG.checkpoint(7)
    crowded = plain.text + "\u2014 someone AAAAAAAAAA==\n"
    seen = note.verify_checkpoint(crowded, LOG.name)
    assert note.alone(seen, LOG.name) == plain.text


def test_a_split_view_gets_no_two_majorities() -> None:
    """Who has the log's key shows each its own log: no witness signs both, so one has too few."""
    witnesses = [Witness(f"witness.example/{number}") for number in range(3)]
    known = tuple(witness.key for witness in witnesses)
    memory: dict[str, note.Checkpoint] = {}
    views = {log: log.checkpoint(30) for log in (LOG, FORK)}
    for witness, log in ((0, LOG), (2, FORK), (1, LOG), (1, FORK), (0, FORK), (2, LOG)):
        name, seen = witnesses[witness].name, log.checkpoint(30)
        with suppress(errors.LogForked):
            memory[name] = watching.later(memory.get(name), seen, log.consistency)
            views[log] = witnesses[witness].cosign(views[log])
    assert len(cosignature.require(views[LOG], known, threshold=2)) == 2
    with pytest.raises(errors.SignatureInvalid, match="by 1 of"):
        cosignature.require(views[FORK], known, threshold=2)
