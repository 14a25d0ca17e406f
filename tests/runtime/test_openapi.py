"""docs/runtime/openapi.json says what the runtime does: each route is asked, right and wrong.

schemathesis makes the requests. `PLIMSOLL_EXAMPLES` says how many there are for each route.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runtime import server
from runtime.protocols import observed
from tests.registry.test_openapi import cases_of
from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, Runtime, pin, running
from tests.runtime.stand_in import StandIn

DOCUMENT = Path(__file__).parents[2] / "docs/runtime/openapi.json"
CHECKS: list[CheckFunction] = [
    content_type_conformance, response_schema_conformance, status_code_conformance,
]  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
EXAMPLES = int(os.environ.get("PLIMSOLL_EXAMPLES", "6"))


def paths() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(DOCUMENT.read_text())["paths"]
    return found


def filled(path: str) -> str:
    """A path of the document, of a model that is here."""
    known = {"model": "digits", "name": "digits", "version": "1", "label": "stable"}
    return re.sub(r"{(\w+)}", lambda found: known[found[1]], path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One version, and limits as they are."""
    registry = StandIn()
    with registry.answering():
        published = registry.publish(models.onnx_digits())
        runtime = Runtime(tmp_path_factory.mktemp("described"), registry, [pin(published)])
        with running(runtime):
            runtime.until(lambda: runtime.get("/readyz").status_code == 200)
            yield runtime


@pytest.fixture
def client(served: Runtime) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
    url = f"http://127.0.0.1:{served.port}"
    with httpx2.Client(base_url=url, headers=headers, timeout=60) as found:
        yield found


def test_each_route_is_there_and_has_no_other_method(client: httpx2.Client) -> None:
    for path, operations in paths().items():
        for method in METHODS:
            if method.lower() in operations:
                continue
            answer = client.request(method, filled(path))
            # TensorFlow Serving's word for what it does not know.
            wanted = 400 if path.startswith("/v1/") else 405
            assert answer.status_code == wanted, (method, path, answer.text)
            if wanted == 405:
                allowed = answer.headers["allow"].lower().split(", ")
                assert {*allowed} - {"head"} == {*operations} - {"head"}, (path, allowed)
    for path, operations in paths().items():
        if "get" in operations and "{label}" not in path:
            assert client.get(filled(path)).status_code == 200, path


def test_no_page_is_without_its_route_in_the_document() -> None:
    assert paths().keys() >= server._PAGES | observed.PAGES.keys()


def test_whatever_is_asked_the_answer_is_one_of_the_document(served: Runtime) -> None:
    url = f"http://127.0.0.1:{served.port}"
    schema = schemathesis.openapi.from_path(DOCUMENT)
    schema.config.update(base_url=url)
    asked, failed = 0, []
    for found in schema.get_all_operations():
        operation = found.ok()
        for case in cases_of(operation, examples=EXAMPLES):
            asked += 1
            answer = case.call(base_url=url, timeout=60)
            try:
                case.validate_response(answer, checks=CHECKS)
            except (Failure, FailureGroup) as error:
                failed.append((operation.label, answer.status_code, case.as_curl_command(), error))
    assert not failed, "\n".join(map(str, failed[:12]))
    assert asked >= 40 * min(EXAMPLES, 3)
