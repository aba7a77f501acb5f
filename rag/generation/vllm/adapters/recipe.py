"""What an adapter is made of, as it travels with a request, and what an engine takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from rag.generation.adapters.adapter import Adapter

# The key of a recipe in a request's extra arguments (``vllm_xargs`` over HTTP).
KEY = "concord_adapter"
# Where a server takes parts, and the header that names their tenant.
PATH = "/v1/concord/adapters"
SALT_HEADER = "X-Concord-Salt"
# The path of an adapter that exists in memory only.
IN_MEMORY = "concord:memory"
_MAX_PARTS = 64


class AdapterRefused(ValueError):
    """An adapter that the engine cannot run; the message says why."""


class PartsMissing(ValueError):
    """The engine does not hold some parts; they have to be sent, and the request repeated.

    Attributes:
        digests: which.
    """

    _WORDS = "unknown adapter parts: "

    def __init__(self, digests: tuple[str, ...]) -> None:
        super().__init__(self._WORDS + " ".join(digests))
        self.digests = digests

    @classmethod
    def from_message(cls, message: str) -> PartsMissing | None:
        """The error that a server's message tells of; ``None`` for another message."""
        _, found, digests = message.partition(cls._WORDS)
        return cls(tuple(digests.split())) if found else None


@dataclass(frozen=True)
class Recipe:
    """An adapter by the digests of its parts.

    Attributes:
        parts: digest (:attr:`rag.generation.adapters.packed.PackedTensors.digest`) and weight.
        max_rank: rank at which the sum is cut.
        salt: names the tenant; parts that one tenant sent are unknown to the others.
        base: fingerprint of the weights that the adapter was chosen for; empty where it is not known.
    """

    parts: tuple[tuple[str, float], ...]
    max_rank: int
    salt: str = ""
    base: str = ""

    @classmethod
    def describe(cls, adapter: Adapter, salt: str, base: str = "") -> Recipe:
        """The recipe of an adapter."""
        return cls(tuple((part.tensors.digest, part.weight) for part in adapter.parts), adapter.max_rank, salt, base)

    @cached_property
    def name(self) -> str:
        """Of the adapter, by content and tenant."""
        return f"concord-{hashlib.sha256(self.to_text().encode()).hexdigest()}"

    @cached_property
    def lora_id(self) -> int:
        """vLLM's number of the adapter: 31 bits of its name, never 0."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big") % (2**31 - 1) + 1

    @cached_property
    def keyed(self) -> dict[str, str]:
        """Digest of each part by its key in the workers."""
        return {part_key(digest, self.salt): digest for digest, _ in self.parts}

    def to_text(self) -> str:
        """As one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_extra_args(cls, extra_args: Mapping[str, Any] | None) -> Recipe | None:
        """The recipe in a request's extra arguments, if there is one.

        Raises:
            AdapterRefused: it cannot be understood.
        """
        text = (extra_args or {}).get(KEY)
        if text is None:
            return None
        try:
            value = json.loads(text)
            parts = tuple((str(digest), float(weight)) for digest, weight in value["parts"])
            recipe = cls(parts, int(value["max_rank"]), str(value["salt"]), str(value.get("base", "")))
        except (ValueError, LookupError, TypeError) as error:
            raise AdapterRefused(f"{KEY} must be a JSON object with parts, max_rank and salt: {error!r}") from error
        if not 0 < len(parts) <= _MAX_PARTS or recipe.max_rank < 1 or not all(abs(w) < 1e6 for _, w in parts):
            raise AdapterRefused(f"{KEY} takes 1 to {_MAX_PARTS} parts with finite weights and a max_rank of 1 or more")
        return recipe


@dataclass(frozen=True)
class AdapterLimits:
    """What an engine takes.

    Attributes:
        max_rank: largest rank of an adapter; 0 where the engine was started without adapters.
        max_mib: MiB of parts that it keeps, at most.
        base: fingerprint of the model's weights (:mod:`rag.models.fingerprint`); empty where it is not known.
    """

    max_rank: int
    max_mib: float = 0.0
    base: str = ""


def part_key(digest: str, salt: str) -> str:
    """A part's key in the workers: equal content of two tenants has two keys."""
    return hashlib.sha256(f"{salt} {digest}".encode()).hexdigest()
