"""All checks, and which of them a server is to pass."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.conformance.oip import core, extensions
from tests.conformance.oip.target import Deviation, Target

Check = Callable[[Target], None]
CORE: tuple[Check, ...] = tuple(
    found for name, found in vars(core).items() if name.startswith("check_")
)


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one model; `why` is empty where it was passed."""

    model: str
    check: str
    why: str


def checks(target: Target) -> list[Check]:
    """The protocol's own, and those of the extensions that the server says it has."""
    offered = target.extensions
    extra = (found for name, found in extensions.BY_EXTENSION.items() if name in offered)
    return [*CORE, *(check for group in extra for check in group)]


def sentence(check: Check) -> str:
    return check.__name__.removeprefix("check_").replace("_", " ")


def results(target: Target) -> Iterator[Result]:
    """Each check on its own; a server that breaks in one of them goes on to the next."""
    for check in checks(target):
        yield Result(target.model, sentence(check), reason(check, target))


def reason(check: Check, target: Target) -> str:
    """Why the server does not pass; empty where it does."""
    try:
        check(target)
    except Deviation as deviation:
        return str(deviation)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        return f"the answer has another form than the protocol's: {error!r}"
    except OSError as error:
        return f"the connection broke: {error!r}"
    return ""


def models(url: str) -> list[str]:
    """What the server lists as ready, by Triton's index or KServe's list; raises `Deviation`."""
    target = Target(url)
    index = target.ask("POST", "/v2/repository/index", b"")
    if index.status == 200:
        return sorted({one["name"] for one in index.json() if one.get("state") == "READY"})
    listed = target.get("/v2/models")
    if listed.status == 200:
        return sorted(listed.document["models"])
    raise Deviation("the server does not list its models: name them with --model")
