"""schemathesis over the OpenAPI document: whatever comes in, no 5xx goes out."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.service.tiny import tiny_app

pytestmark = pytest.mark.real
NUM_EXAMPLES = int(os.environ.get("CONCORD_TEST_EXAMPLES", "15"))


def test_no_server_errors(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 15
    for operation in operations:
        call_at_random(operation)


def call_at_random(operation: Any) -> None:
    @settings(
        max_examples=NUM_EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def calls(case: schemathesis.Case) -> None:
        response = case.call(timeout=30)
        assert response.status_code < 500, (operation.label, response.text, case.body)
        if response.status_code >= 400:
            assert set(response.json()["error"]) == {"message", "type", "code", "param"}

    calls()


def test_every_route_is_described_with_an_example(tmp_path: object) -> None:
    document = tiny_app(tmp_path).openapi()  # type: ignore[arg-type]
    schemas = document["components"]["schemas"]
    for name in ("ChatRequest", "NewLibrary", "NewPatches", "NewTexts", "RetrieveRequest"):
        assert schemas[name]["example"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= 15
    assert all(operation["description"] for operation in operations)
