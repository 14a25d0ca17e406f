"""Triton's statistics extension: what a version has done since it was loaded."""

from typing import Any

from runtime.inference.statistics import BatchSize, Snapshot, Spent
from runtime.table import Slot


def of(slots: list[Slot]) -> dict[str, Any]:
    """GET …/stats; a version that is not up has done nothing, and is left out."""
    found = [(slot, slot.scheduler) for slot in slots]
    return {
        "model_stats": [
            _version(slot, scheduler.statistics.snapshot())
            for slot, scheduler in found
            if scheduler is not None
        ]
    }


def _version(slot: Slot, seen: Snapshot) -> dict[str, Any]:
    return {
        "name": slot.pin.model,
        "version": str(slot.pin.version),
        "last_inference": seen.last_inference,
        "inference_count": seen.inference_count,
        "execution_count": seen.execution_count,
        "inference_stats": {
            "success": _spent(seen.success),
            "fail": _spent(seen.fail),
            "queue": _spent(seen.queue),
            "compute_input": _spent(seen.compute_input),
            "compute_infer": _spent(seen.compute_infer),
            "compute_output": _spent(seen.compute_output),
            "cache_hit": _spent(seen.cache_hit),
            "cache_miss": _spent(seen.cache_miss),
        },
        "batch_stats": [_batch(one) for one in seen.batches],
    }


def _batch(seen: BatchSize) -> dict[str, Any]:
    return {
        "batch_size": seen.rows,
        "compute_input": _spent(seen.compute_input),
        "compute_infer": _spent(seen.compute_infer),
        "compute_output": _spent(seen.compute_output),
    }


def _spent(seen: Spent) -> dict[str, int]:
    return {"count": seen.count, "ns": seen.ns}
