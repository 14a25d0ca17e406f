"""Whatever comes in over HTTP, valid or not, the registry answers and never fails (5xx).

schemathesis makes the requests from the OpenAPI document: every route, with right and wrong
values in path, query, headers and body.
"""

from collections.abc import Iterator

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy, one_of
from schemathesis import GenerationMode

from registry.api.server import Server
from registry.settings import Settings
from tests.registry.publishing import Publisher, onnx_model, publish

ENDLESS = {"/v1/events/stream"}
EXAMPLES = 30


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A registry with one version in it, and an admin's header."""
    found = Settings(data_dir=tmp_path_factory.mktemp("registry"), listen=("127.0.0.1:0",))
    alice = Publisher()
    alice.list_in(found.publishers_file)
    server = Server(found)
    server.start()
    headers = {"Authorization": f"Bearer {found.admin_token_file.read_text().strip()}"}
    with httpx2.Client(base_url=server.addresses[0], headers=headers, timeout=60) as client:
        assert publish(client, alice, {"model.onnx": onnx_model()}).status_code == 201
    yield server.addresses[0], headers
    server.stop()


def test_no_request_makes_the_registry_fail(running: tuple[str, dict[str, str]]) -> None:
    url, headers = running
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers, timeout=60)
    asked, failed = 0, []
    with requests.Session() as session:
        session.trust_env = False  # which would be read again for each request
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path in ENDLESS:
                continue
            for case in cases_of(operation):
                asked += 1
                answer = case.call(headers=headers, timeout=60, session=session)
                if answer.status_code >= 500:
                    failed.append((operation.label, answer.status_code, case.as_curl_command()))
    assert not failed, failed[:5]
    assert asked > 1000


def cases_of(
    operation: schemathesis.schemas.APIOperation, *, examples: int = EXAMPLES
) -> list[schemathesis.Case]:
    """Right and wrong requests for one route: the same ones in every run."""
    cases: list[schemathesis.Case] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy_of(operation))
    def collect(case: schemathesis.Case) -> None:
        cases.append(case)

    collect()
    return cases


def strategy_of(
    operation: schemathesis.schemas.APIOperation,
) -> SearchStrategy[schemathesis.Case]:
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))
