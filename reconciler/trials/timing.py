"""Asks a candidate one sample at a time, several clients at once, and takes the time."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from reconciler.core.kinds.trials import Latency
from reconciler.core.trials.budgets import Timing
from reconciler.trials.subject import Target
from registry.core import canonical
from registry.core.canonical import Json

LONGEST_S = 60.0


def measured(
    target: Target, instances: Sequence[Json], budget: Latency, *, longest_s: float = LONGEST_S
) -> Timing:
    """What is answered within `longest_s`, after the warm-up. Raises `errors.Unavailable`."""
    bodies = [canonical.encode({"instances": [one]}) for one in instances[: budget.requests]]
    if not bodies:
        return Timing((), 0.0, budget.clients)
    _each(target, bodies, budget.warm_up, budget.clients, longest_s)
    start = time.perf_counter()
    seconds = _each(target, bodies, budget.requests, budget.clients, longest_s)
    return Timing(tuple(seconds), time.perf_counter() - start, budget.clients)


def _each(
    target: Target, bodies: list[bytes], count: int, clients: int, longest_s: float
) -> list[float]:
    """The times of `count` requests, shared out among `clients` as they become free."""
    turns = itertools.islice(itertools.cycle(bodies), count)
    lock, until = threading.Lock(), time.perf_counter() + longest_s
    with ThreadPoolExecutor(clients, thread_name_prefix="latency") as pool:
        parts = [pool.submit(_client, target, turns, lock, until) for _ in range(clients)]
        return [seconds for part in parts for seconds in part.result()]


def _client(
    target: Target, turns: Iterator[bytes], lock: threading.Lock, until: float
) -> list[float]:
    times: list[float] = []
    with target.speaking() as asked:
        while True:
            with lock:
                body = next(turns, None)
            start = time.perf_counter()
            if body is None or start >= until:
                return times
            asked.answered(target.model, target.version, body)
            times.append(time.perf_counter() - start)
