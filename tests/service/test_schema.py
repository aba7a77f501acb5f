"""schemathesis over the OpenAPI document: whatever comes in, no 5xx goes out."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.service.tiny import tiny_app

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def schema(address: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


lazy = schemathesis.pytest.from_fixture("schema")


@lazy.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_no_server_errors(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=(not_a_server_error, response_schema_conformance), timeout=30)


def test_every_route_is_described_with_an_example(tmp_path: object) -> None:
    document = tiny_app(tmp_path).openapi()  # type: ignore[arg-type]
    schemas = document["components"]["schemas"]
    for name in ("ChatRequest", "NewLibrary", "NewTexts", "RetrieveRequest"):
        assert schemas[name]["example"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= 15
    assert all(operation["description"] for operation in operations)
