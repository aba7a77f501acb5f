"""A request to a generator: the prompts of one answer by stream, the rule that mixes them, and how tokens are chosen.

A generator runs the streams in step. At each position all streams see the same generated suffix, one rule mixes
their logits, and each stream gets the token that was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from decoders.params import DecoderParams, Plain
from decoders.streams import CONTEXT, PAIR, PARAMETRIC, PASSAGES
from rag.core.errors import QuestionError, SettingError
from rag.core.query import Sampling
from rag.generation.adapters.adapter import Adapter


@dataclass(frozen=True)
class ActiveSkill:
    """A skill that rows run with (:mod:`rag.skills`).

    Attributes:
        name: as a person calls it.
        instruction: first line of its prompts; empty for the product's own.
        adapter: the change of the model.
    """

    name: str
    instruction: str
    adapter: Adapter


class Prompt(NamedTuple):
    """What one stream reads first. Equal prompts share a row of the batch.

    Attributes:
        ids: the tokens.
        adapter: the change of the model that they are read with.
        salt: names the tenant. Prompts of two tenants are never equal: otherwise the time of an answer
            would tell one tenant what the other one asked.
    """

    ids: tuple[int, ...]
    adapter: Adapter | None = None
    salt: str = ""


@dataclass(frozen=True)
class Request:
    """One answer to generate.

    Attributes:
        streams: the prompts by stream name (:mod:`decoders.streams`), in order. The rule may leave some unread.
        decoder: the rule that mixes the streams.
        sampling: how tokens are chosen from the mixture, and when to stop.
        has_probes: also report what each stream answers alone (greedy), and compare the context and the parametric
            stream at each step, whatever the rule reads. Without probes only the streams of the rule run.
        probed: the streams that answer alone where ``has_probes``; ``None`` means all of them.
        forced: tokens that the answer begins with, whatever the rule says. The steps then tell how likely they were.

    Raises:
        SettingError: the rule reads a stream that the request does not have.
    """

    streams: Mapping[str, Prompt] = field(hash=False)
    decoder: DecoderParams
    sampling: Sampling
    _: KW_ONLY
    has_probes: bool = True
    probed: tuple[str, ...] | None = None
    forced: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", MappingProxyType(dict(self.streams)))
        missing = [name for name in self._rule_streams if name not in self.streams]
        if missing or not self._rule_streams:
            raise SettingError(
                f"decoder {self.decoder.name!r} reads the streams {', '.join(self.decoder.streams)}; this request has "
                f"{', '.join(self.streams) or 'none'}; add {', '.join(missing) or 'passages'}, or change the decoder"
            )

    @classmethod
    def pair(
        cls,
        context_ids: tuple[int, ...],
        parametric_ids: tuple[int, ...],
        decoder: DecoderParams,
        sampling: Sampling,
        *,
        has_probes: bool = True,
        cache_salt: str = "",
        context_adapter: Adapter | None = None,
        parametric_adapter: Adapter | None = None,
    ) -> Request:
        """The usual two streams: the prompt with the passages and the same prompt without them.

        The prompts may be equal if their adapters differ.
        """
        context = Prompt(context_ids, context_adapter, cache_salt)
        parametric = Prompt(parametric_ids, parametric_adapter, cache_salt)
        return cls({CONTEXT: context, PARAMETRIC: parametric}, decoder, sampling, has_probes=has_probes)

    @classmethod
    def single(
        cls, ids: tuple[int, ...], sampling: Sampling, *, cache_salt: str = "", adapter: Adapter | None = None
    ) -> Request:
        """Ordinary generation from one prompt, without probes."""
        return cls({CONTEXT: Prompt(ids, adapter, cache_salt)}, Plain(), sampling, has_probes=False)

    def saying(self, forced: tuple[int, ...]) -> Request:
        """The same request for the probability of an answer, token by token."""
        return replace(self, forced=forced, sampling=replace(self.sampling, max_tokens=len(forced)))

    def with_adapter(self, stream: str, adapter: Adapter | None) -> Request:
        """The same request with another adapter on one stream."""
        return replace(self, streams={**self.streams, stream: self.streams[stream]._replace(adapter=adapter)})

    @property
    def mixed(self) -> tuple[str, ...]:
        """The streams that the answer reads in step."""
        compared = [name for name in PAIR if name in self.streams] if self.has_probes else []
        return tuple(dict.fromkeys((*self._rule_streams, *compared)))

    @property
    def probes(self) -> tuple[str, ...]:
        """The streams that also answer alone."""
        if not self.has_probes:
            return ()
        return tuple(name for name in self.streams if self.probed is None or name in self.probed)

    @property
    def used(self) -> dict[str, Prompt]:
        """The prompts that the request runs, by stream."""
        return {name: self.streams[name] for name in dict.fromkeys((*self.mixed, *self.probes))}

    def num_read(self, stream: str) -> int:
        """Prompt tokens of a stream that is run; 0 for one that is not."""
        return len(self.used[stream].ids) if stream in self.used else 0

    @property
    def context_ids(self) -> tuple[int, ...]:
        """Token ids of the context stream; empty without one."""
        return self.streams[CONTEXT].ids if CONTEXT in self.streams else ()

    @property
    def parametric_ids(self) -> tuple[int, ...]:
        """Token ids of the parametric stream; empty without one."""
        return self.streams[PARAMETRIC].ids if PARAMETRIC in self.streams else ()

    @property
    def _rule_streams(self) -> tuple[str, ...]:
        passages = [name for name in self.streams if name.startswith(PASSAGES.removesuffix("*"))]
        names = [name for entry in self.decoder.streams for name in (passages if entry == PASSAGES else [entry])]
        return tuple(dict.fromkeys(names))


def check_fits(request: Request, window: int, name: str) -> None:
    """Refuse what no generator can run.

    Raises:
        QuestionError: a prompt and its answer exceed the window of model ``name``, or a prompt has no tokens.
    """
    lengths = [len(prompt.ids) for prompt in request.used.values()]
    longest = max(lengths)
    if longest + request.sampling.max_tokens > window:
        raise QuestionError(
            f"prompt of {longest} tokens and answer of up to {request.sampling.max_tokens} exceed the window of "
            f"{window} tokens of {name}; shorten the question or lower max_tokens"
        )
    if not all(lengths):
        raise QuestionError("the prompt has no tokens; ask a question of at least one word")
