"""Why something is done or waited for: a stable code and one sentence for people."""

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Stable codes for every reason to act or to wait; users and dashboards may rely on them."""

    NEW_SPEC = "new_spec"
    VANISHED = "vanished"
    NEVER_STARTED = "never_started"
    EXITED = "exited"
    NOT_VERIFIED = "not_verified"
    NOT_ACCEPTED = "not_accepted"
    ACCEPTED = "accepted"
    NOT_ROUTED = "not_routed"
    INGRESS_DOWN = "ingress_down"
    DRIFTED = "drifted"
    ROLLED_BACK = "rolled_back"
    STEP = "step"
    SETTLED = "settled"
    ADOPTED = "adopted"
    MEASUREMENT_DUE = "measurement_due"
    SUPERSEDED = "superseded"
    REMOVED_FROM_GIT = "removed_from_git"
    NOT_A_TARGET = "not_a_target"
    MODEL_CHANGED = "model_changed"

    ACCEPTANCE_FAILED = "acceptance_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    FLAPPING = "flapping"
    CRASH_LOOP = "crash_loop"
    UNHEALTHY_AFTER_ROUTING = "unhealthy_after_routing"
    REFUSED_BY_RUNTIME = "refused_by_runtime"
    ANALYSIS_FAILED = "analysis_failed"
    ANALYSIS_ERRED = "analysis_erred"
    ABORTED = "aborted"
    ROLLED_BACK_BY_HAND = "rolled_back_by_hand"
    TRIED_AGAIN = "tried_again"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    DECLINED = "declined"

    UNHEALTHY = "unhealthy"
    WAITING_FOR_HEALTH = "waiting_for_health"
    WAITING_FOR_HOSTS = "waiting_for_hosts"
    WAITING_FOR_TURN = "waiting_for_turn"
    DRAINED = "drained"
    TOO_FEW_HOSTS = "too_few_hosts"
    HOOK_DUE = "hook_due"
    HOOK_FAILED = "hook_failed"
    WAITING_FOR_DEPENDENCY = "waiting_for_dependency"
    WAITING_FOR_SYNC_WAVE = "waiting_for_sync_wave"
    WAITING_FOR_WINDOW = "waiting_for_window"
    TOO_MANY_FAILED = "too_many_failed"
    TOO_MANY_UNAVAILABLE = "too_many_unavailable"
    GAVE_UP = "gave_up"
    WAITING_FOR_PROMOTION = "waiting_for_promotion"
    WAITING_FOR_STEP = "waiting_for_step"
    WAITING_FOR_ANALYSIS = "waiting_for_analysis"
    HELD_BY_PERSON = "held_by_person"
    INCONCLUSIVE = "inconclusive"
    ENDED = "ended"
    WAITING_TO_SCALE_DOWN = "waiting_to_scale_down"
    WAITING_FOR_SUCCESSOR = "waiting_for_successor"
    BACKING_OFF = "backing_off"
    REFUSED = "refused"
    BLOCKED = "blocked"
    QUARANTINED = "quarantined"
    HELD_BY_POLICY = "held_by_policy"
    SUSPENDED = "suspended"
    UNREACHABLE = "unreachable"
    INVALID_FILE = "invalid_file"
    EMPTY_DESIRED_STATE = "empty_desired_state"
    HOST_NOT_DECLARED = "host_not_declared"


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code and one sentence for people."""

    code: Why
    text: str
