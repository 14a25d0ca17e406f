"""What a runtime says of its versions and policies: /plimsoll/status, and control's answers."""

from runtime import renewal
from runtime.serving import Serving
from runtime.table import Slot


def described(serving: Serving, slot: Slot) -> dict[str, object]:
    """One version as /plimsoll/status shows it."""
    labels = serving.table.labels(slot.pin.model)
    return {
        "model": slot.pin.model,
        "version": slot.pin.version,
        "digest": slot.pin.digest,
        "state": str(slot.state),
        "pulled": {"bytes": slot.progress.pulled, "of": slot.progress.total},
        "reason": slot.reason or slot.trouble,
        "check": slot.check,
        "code": slot.code,
        "active": serving.table.is_active(slot),
        "visible": serving.table.is_visible(slot),
        "labels": sorted(label for label, version in labels.items() if version == slot.pin.version),
        "pending": renewal.described(slot),
    }


def policies(serving: Serving) -> dict[str, dict[str, object]]:
    """By model, as declared; and to which version each label leads now, null where to none."""
    return {
        model: {**found.document(), "leads": serving.table.labels(model)}
        for model, found in serving.table.policies().items()
    }
