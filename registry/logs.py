"""How long-running programs log: to stderr, JSON for machines, colour and columns for people."""

import re
import sys
from types import ModuleType
from typing import cast

# structlog would load rich, a twentieth of a start, for tracebacks with the values of variables:
# those are never ours to print. So for this moment there is none.
_LOADED = cast("dict[str, ModuleType | None]", sys.modules)
_LOADED.setdefault("rich", None)
import structlog  # noqa: E402
from structlog.typing import EventDict, Processor, WrappedLogger  # noqa: E402

from registry import traceparent  # noqa: E402

if _LOADED["rich"] is None:
    del _LOADED["rich"]

# Tokens, one-time tokens, and what an age identity looks like.
_TOKEN = re.compile(r"(pl[me]_[0-9a-f]{16}_|AGE-SECRET-KEY-1)[A-Za-z0-9_-]{43,58}")


def configure() -> None:
    """Call once at the start of a program. Tracebacks never show the values of variables."""
    is_terminal = sys.stderr.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_trace,
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            hide_tokens,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Which trace and span the line belongs to, where this program is traced at all."""
    found = traceparent.current()
    if found is not None:
        event["trace_id"], event["span_id"] = f"{found[0]:032x}", f"{found[1]:016x}"
    return event


def hide_tokens(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A token that found its way into a message, a path or a traceback stays unsaid."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = without_tokens(value)
    return event


def without_tokens(text: str) -> str:
    """`text` with the secret part of each token or identity left out."""
    return _TOKEN.sub(r"\1…", text)
