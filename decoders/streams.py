"""Names of streams: the next-token distributions that a decoding rule may read.

All streams of an answer read the same generated suffix after different prompts:

* ``context``: the prompt with all passages.
* ``parametric``: the prompt without any passage, so the model's own memory.
* ``passage:N``: the prompt with passage N alone, counted from 1 in the order of the ranking.

A rule declares the streams that it reads as ``streams`` of its settings (:mod:`decoders.params`); there,
``passage:*`` stands for every passage of the question. No tensor code: clients ask for names without torch.
"""

from __future__ import annotations

from collections.abc import Iterable

CONTEXT = "context"
PARAMETRIC = "parametric"
PASSAGES = "passage:*"
# The two streams of most rules, of the conflict report and of an engine that runs pairs.
PAIR = (CONTEXT, PARAMETRIC)


def passage_stream(number: int) -> str:
    """The name of the stream that reads passage ``number`` (from 1) alone."""
    return f"passage:{number}"


def expand_streams(declared: Iterable[str], num_passages: int = 0) -> tuple[str, ...]:
    """The streams that a rule reads for a question with ``num_passages`` passages, each once, in order.

    >>> expand_streams(("context", "passage:*"), 2)
    ('context', 'passage:1', 'passage:2')

    Raises:
        ValueError: the rule reads a passage that the question does not have.
    """
    passages = [passage_stream(number) for number in range(1, num_passages + 1)]
    names = [name for entry in declared for name in (passages if entry == PASSAGES else [entry])]
    for name in names:
        if name not in (*PAIR, *passages):
            raise ValueError(f"unknown stream {name!r}; this question has {', '.join((*PAIR, *passages))}")
    return tuple(dict.fromkeys(names))
