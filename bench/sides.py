"""Ours and MLflow, asked the same about their versions: each in its own spelling."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from bench import mlflow, registries, wire
from bench.population import Question
from bench.wire import Link
from registry import errors

OURS, MLFLOW = "ours", "mlflow"
PAGE = 100


@dataclass(frozen=True, slots=True)
class Spelling:
    """Where a server is asked, and the names of what is given and found."""

    version: str
    search: str
    page_size: str
    page_token: str
    found: str
    following: str


@dataclass(frozen=True, slots=True)
class Side:
    """A server that is asked over one kept-alive connection."""

    link: Link
    spelling: Spelling

    def get(self, model: str, version: int) -> None:
        """Ask for one version's document."""
        self.link.call("GET", self.spelling.version.format(model=model, version=version))

    def search(self, question: Question, token: str = "") -> tuple[int, str]:
        """How many versions are on the page of the answer, and the token of the next one."""
        spelling = self.spelling
        asked = {"filter": question.filter, spelling.page_size: PAGE}
        query = urlencode(asked | ({spelling.page_token: token} if token else {}))
        answer = self.link.call("GET", f"{spelling.search}?{query}").document
        found = answer.get(spelling.found) or []
        following = answer.get(spelling.following) or ""
        if not isinstance(found, list) or not isinstance(following, str):
            raise errors.Unavailable(f"{spelling.search}: what was answered is no page")
        return len(found), following


@contextmanager
def connected(
    registry: registries.Running, peer: mlflow.Running | None
) -> Iterator[Mapping[str, Side]]:
    """Both, or ours alone, by name."""
    with ExitStack() as stack:
        link = stack.enter_context(wire.connected(registry.url, registry.headers))
        sides = {OURS: Side(link, _OURS)}
        if peer is not None:
            sides[MLFLOW] = Side(stack.enter_context(wire.connected(peer.url)), _MLFLOW)
        yield sides


_OURS = Spelling(
    version="/v1/models/{model}/versions/{version}",
    search="/v1/versions",
    page_size="maxResults",
    page_token="pageToken",  # noqa: S106  a place in a list
    found="versions",
    following="nextPageToken",
)
_MLFLOW = Spelling(
    version=f"{mlflow.API}/model-versions/get?name={{model}}&version={{version}}",
    search=f"{mlflow.API}/model-versions/search",
    page_size="max_results",
    page_token="page_token",  # noqa: S106  a place in a list
    found="model_versions",
    following="next_page_token",
)
