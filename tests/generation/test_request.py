"""What a request is: streams by name, of which a rule reads some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from decoders.params import AdaCad, DecoderParams, Memory, Plain
from rag.core.errors import QuestionError, SettingError
from rag.core.query import Sampling
from rag.generation.request import Adapter, Prompt, Request, check_fits

SAMPLING = Sampling(max_tokens=4)


@dataclass(frozen=True)
class EachPassage:
    """A rule that reads the context and every passage alone."""

    name: ClassVar[str] = "each"
    streams: ClassVar[tuple[str, ...]] = ("context", "passage:*")


EACH: DecoderParams = EachPassage()  # type: ignore[assignment]  # a rule of tomorrow


@pytest.mark.parametrize(
    ("decoder", "has_probes", "mixed"),
    [
        (Plain(), False, ("context",)),
        (Memory(), False, ("parametric",)),
        (AdaCad(), False, ("context", "parametric")),
        (Plain(), True, ("context", "parametric")),
        (Memory(), True, ("parametric", "context")),
    ],
)
def test_a_rule_reads_its_streams_and_a_report_both(
    decoder: DecoderParams, has_probes: bool, mixed: tuple[str, ...]
) -> None:
    request = Request.pair((1, 2), (3,), decoder, SAMPLING, has_probes=has_probes)
    assert request.mixed == mixed
    assert request.probes == (("context", "parametric") if has_probes else ())
    assert [request.num_read(name) for name in ("context", "parametric")] == [
        2 if "context" in mixed else 0,
        1 if "parametric" in mixed else 0,
    ]


def test_passages_are_those_of_the_request() -> None:
    streams = {name: Prompt((5,)) for name in ("context", "parametric", "passage:1", "passage:3")}
    request = Request(streams, EACH, SAMPLING, has_probes=False)
    assert request.mixed == tuple(request.used) == ("context", "passage:1", "passage:3")
    assert Request(streams, EACH, SAMPLING).mixed == ("context", "passage:1", "passage:3", "parametric")


@pytest.mark.parametrize(
    ("decoder", "streams", "what"),
    [(AdaCad(), ("context",), "add parametric"), (Plain(), (), "has none"), (EACH, ("passage:1",), "add context")],
)
def test_a_missing_stream_is_told(decoder: DecoderParams, streams: tuple[str, ...], what: str) -> None:
    with pytest.raises(SettingError, match=what):
        Request({name: Prompt((5,)) for name in streams}, decoder, SAMPLING)


def test_streams_are_frozen() -> None:
    streams = {"context": Prompt((5,))}
    request = Request(streams, Plain(), SAMPLING)
    streams["context"] = Prompt((6,))
    assert request.context_ids == (5,)
    with pytest.raises(TypeError):
        request.streams["context"] = Prompt((6,))  # type: ignore[index]
    assert hash(request) == hash(Request({"context": Prompt((5,))}, Plain(), SAMPLING))


def test_an_adapter_goes_on_one_stream() -> None:
    adapter = Adapter.single("a", {})
    request = Request.pair((1,), (2,), AdaCad(), SAMPLING, cache_salt="t").with_adapter("context", adapter)
    assert request.streams["context"] == Prompt((1,), adapter, "t")
    assert request.streams["parametric"] == Prompt((2,), None, "t")


def test_only_what_is_run_must_fit() -> None:
    long = tuple(range(20))
    check_fits(Request.pair(long, (1,), Memory(), SAMPLING, has_probes=False), 10, "m")
    with pytest.raises(QuestionError, match="window of 10 tokens"):
        check_fits(Request.pair(long, (1,), Memory(), SAMPLING), 10, "m")
    with pytest.raises(QuestionError, match="no tokens"):
        check_fits(Request.single((), SAMPLING), 10, "m")
