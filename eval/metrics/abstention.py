"""Does an answer decline to answer? Judged by its words alone."""

from __future__ import annotations

import re

from eval.metrics.answers import normalize

# Whole answers that decline. As part of a longer answer they may well be its content ("the Unknown Soldier").
_WHOLE = frozenset(
    normalize(text)
    for text in ("", "unknown", "none", "n/a", "not available", "no answer", "unanswerable", "unclear", "not sure")
)

# A document may be silent about something, and that may be the answer ("The treaty does not mention slavery"). Only
# silence of what the answer was to be read from declines.
_SOURCES = (
    r"(?:(?:given|provided|above|supplied|available|retrieved) )?"
    r"(?:passages?|texts?|documents?|contexts?|articles?|sources?|paragraphs?|excerpts?|snippets?|information)"
)
_SILENT = r"(?:mention|say|state|specify|provide|contain|include|give|answer|indicate|tell|reveal|discuss|address)"
_DECLINES = tuple(
    re.compile(pattern)
    for pattern in (
        # The one who answers: "I don't know", "cannot be determined".
        r"\bi (?:do not|dont|did not|didnt) know\b",
        r"\bi (?:am|was) not sure\b|\bim not sure\b",
        r"\b(?:cannot|cant|could not|couldnt|unable to|not able to|not possible to) (?:be )?(?:answer|determine)",
        r"\b(?:no|not enough|insufficient|no relevant) information\b",
        # What was read: "the passage does not say".
        rf"\b{_SOURCES} (?:do|does|did) not (?:\w+ )?{_SILENT}\b",
        rf"\b{_SOURCES} (?:dont|doesnt|didnt) (?:\w+ )?{_SILENT}\b",
        r"^it (?:does not|doesnt) (?:say|mention|state|specify)\b",
        # What was looked for: "it is not mentioned", "not stated in the text".
        rf"\bnot (?:\w+ )?(?:mentioned|stated|specified|provided|given)(?: (?:in|by) {_SOURCES}\b|$)",
    )
)


def abstains(text: str) -> bool:
    """Whether ``text`` is empty, is a word such as "unknown", or says that it cannot be told from what was read.

    Source: ours; English only.
    """
    normal = normalize(text)
    sentences = [normalize(sentence) for sentence in re.split(r"[.!?\n]+", text)]
    return normal in _WHOLE or any(pattern.search(sentence) for sentence in sentences for pattern in _DECLINES)
