"""A span for each statement, under the request it was made for. Values are never shown."""

from typing import Any

from opentelemetry.trace import SpanKind, StatusCode, Tracer
from sqlalchemy import event

from registry.db.engine import Database

_OPEN = "plimsoll_span"


def trace(database: Database, tracer: Tracer) -> None:
    """From now on, for this database alone."""
    system = database.engine.dialect.name

    def begin(_connection: Any, _cursor: Any, statement: str, *rest: Any) -> None:
        context = rest[1]
        attributes = {"db.system.name": system, "db.query.text": statement[:2000]}
        name = statement.lstrip().partition(" ")[0].upper()[:20] or "SQL"
        span = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        if context is not None:
            setattr(context, _OPEN, span)

    def end(_connection: Any, _cursor: Any, _statement: str, *rest: Any) -> None:
        span = getattr(rest[1], _OPEN, None)
        if span is not None:
            span.end()

    def fail(failure: Any) -> None:
        span = getattr(failure.execution_context, _OPEN, None)
        if span is not None:
            span.set_status(StatusCode.ERROR)
            span.end()

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        event.listen(engine, "handle_error", fail)
