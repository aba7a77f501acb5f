"""Find the names that we use and that a library lacks."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

# By module: classes, functions, attributes; in brackets the parameters that are passed.
Needs = Mapping[str, tuple[str, ...]]


def find_missing(needs: Needs) -> list[str]:
    """The needs that the installed modules do not meet.

    >>> find_missing({"time": ("monotonic", "struct_time.tm_year", "travel")})
    ['time.travel']
    """
    missing = []
    for name, wanted in needs.items():
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
        else:
            missing += [f"{name}.{need}" for need in wanted if not _has(module, need)]
    return missing


def _has(module: Any, need: str) -> bool:
    path, _, parameters = need.rstrip(")").partition("(")
    owner_name, _, attribute = path.partition(".")
    owner = getattr(module, owner_name, None)
    if owner is None or (attribute and not _has_attribute(owner, attribute)):
        return False
    if not parameters:
        return True
    accepted = inspect.signature(getattr(owner, attribute) if attribute else owner).parameters
    return set(parameters.split(", ")) <= set(accepted)


def _has_attribute(owner: type, name: str) -> bool:
    """Whether objects of a class have an attribute: of the class, declared by it, or named in its constructor."""
    constructors = (getattr(vars(base).get("__init__"), "__code__", None) for base in owner.__mro__)
    return (
        hasattr(owner, name)
        or any(name in vars(base).get("__annotations__", ()) for base in owner.__mro__)
        or any(code is not None and name in code.co_names for code in constructors)
    )
