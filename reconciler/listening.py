"""What the reconciler serves beside its loop: the webhook, whole plans, liveness and metrics."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from reconciler import config, labelling, webhook
from reconciler.core.webhooks import Event
from reconciler.measuring import posting
from reconciler.reviewing.rounds import Rounds
from registry import errors


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who wants to know: the loop of pushes, reviews of pull requests too."""

    pushed: Callable[[], None]
    reviews: Rounds | None
    doors: posting.Doors

    def hint(self, event: Event) -> None:
        """It may be time to look."""
        if event is Event.PUSH:
            self.pushed()
        if self.reviews is not None:
            self.reviews.hint()

    def plan(self, name: str) -> bytes | None:
        """A whole plan, for who knows its name."""
        return None if self.reviews is None else self.reviews.memory.plan(name)


@contextmanager
def serving(
    settings: config.Config, listeners: Listeners, metrics: CollectorRegistry
) -> Iterator[None]:
    """Serve on a thread of its own, where the configuration says so."""
    if settings.listen is None:
        yield
        return
    forge = "" if settings.forge is None else settings.forge.kind.value
    app = webhook.create_app(
        sender=webhook.Sender(forge, _secret(settings.webhook_secret_file)),
        hint=listeners.hint,
        metrics=metrics,
        plan=listeners.plan,
        more=[labelling.route(listeners.doors, lambda: _secret(settings.labels_token_file))],
    )
    address, _, port = settings.listen.rpartition(":")
    server = uvicorn.Server(
        uvicorn.Config(app, host=address, port=int(port), log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, name="webhook", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)


def _secret(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_text(encoding="utf-8").strip().encode()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(
            f"the secret {path} cannot be read: {error}",
            fix="see docs/configuration.md for what must be in it",
        ) from error
