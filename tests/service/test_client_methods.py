"""The blocking and the asynchronous client offer the same methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from rag.client import AsyncClient, Client
from rag.client.asynchronous import AsyncPatches
from rag.client.sync import Patches


def methods(owner: type) -> dict[str, Callable[..., Any]]:
    return {name: value for name, value in vars(owner).items() if callable(value) and not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asynchronous"), [(Client, AsyncClient), (Patches, AsyncPatches)])
def test_both_clients_have_the_same_methods(blocking: type, asynchronous: type) -> None:
    assert list(methods(blocking)) == list(methods(asynchronous))
    for name, method in methods(blocking).items():
        twin = methods(asynchronous)[name]
        assert inspect.signature(method).parameters == inspect.signature(twin).parameters, name
        assert inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin), name
