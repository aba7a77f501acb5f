"""What the generator needs of a vLLM, wherever it runs: jobs in, pieces of their answers out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from decoders.pairing import Half
from decoders.sampling import Draw
from decoders.trace import StepTrace
from rag.generation.base import Adapter
from rag.generation.vllm.adapters.recipe import AdapterLimits

if TYPE_CHECKING:
    from rag.generation.adapters.packed import PackedTensors

GREEDY = Draw()
# How often the parts of an adapter are sent for one job, before it is given up.
MAX_SENDINGS = 4
TOO_LITTLE_MEMORY = (
    "vLLM does not keep the patches of one question until they are used; raise patch_memory_mib where it was started"
)


@dataclass(frozen=True)
class Job:
    """One request to vLLM: a prompt, and its half of a pair if it belongs to one.

    Attributes:
        key: shared by everything of one answer, so that data-parallel ranks keep an answer together.
        draw: how the token is chosen; greedy for a probe.
        stop_token_ids: what ends the answer, besides ``max_tokens``.
        cache_salt: prompts of different salts share no cached prefix; empty is everyone's.
        adapter: what the prompt is read with, on top of the model.
        json_schema: the JSON Schema that the tokens follow; empty is off.
    """

    prompt_ids: tuple[int, ...]
    key: str
    max_tokens: int
    stop_token_ids: tuple[int, ...]
    draw: Draw = GREEDY
    half: Half | None = None
    cache_salt: str = ""
    adapter: Adapter | None = None
    json_schema: str = ""

    @property
    def has_trace(self) -> bool:
        """The trace of a pair travels with its context half."""
        return self.half is not None and self.half.role == "context"

    def find_parts(self, digests: Collection[str]) -> list[PackedTensors]:
        """The parts of the adapter with these digests."""
        parts = (part.tensors for part in self.adapter.parts) if self.adapter else ()
        return [tensors for tensors in parts if tensors.digest in digests]


@dataclass(frozen=True)
class Piece:
    """Tokens as they come, each with its trace where the job has one."""

    token_ids: tuple[int, ...]
    traces: tuple[StepTrace, ...] = ()


class VllmServer(Protocol):
    """A vLLM with the plugin. Everything but the properties runs in one event loop."""

    @property
    def window(self) -> int:
        """Most tokens of prompt and answer together."""
        ...

    def run(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The pieces of one job; closing the iterator aborts it.

        Raises:
            UnavailableError: the server is down, or dropped the job.
            InputError: it refused the job, with its reason.
        """
        ...

    async def adapter_limits(self) -> AdapterLimits:
        """Which adapters it takes.

        Raises:
            UnavailableError: the server is down.
        """
        ...

    def check(self) -> None:
        """Return if a job would be run now; any thread may ask.

        Raises:
            UnavailableError, ModelError: the server is down, or has another model.
        """
        ...

    async def close(self) -> None:
        """Release the server."""
        ...


def fit_rank(rank: int) -> int:
    """The smallest of vLLM's ranks that is enough."""
    return next((size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank), rank)
