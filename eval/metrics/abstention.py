"""Does an answer decline to answer? Judged by its words alone."""

from __future__ import annotations

from eval.metrics.answers import normalize

# Whole answers that decline. As part of a longer answer they may well be its content ("the Unknown Soldier").
_WHOLE = frozenset(
    normalize(text)
    for text in ("", "unknown", "none", "n/a", "not available", "no answer", "unanswerable", "unclear", "not sure")
)

# Phrases that decline wherever they stand.
_PHRASES = tuple(
    f" {normalize(text)} "
    for text in (
        "I don't know",
        "I do not know",
        "I'm not sure",
        "I am not sure",
        "cannot answer",
        "can't answer",
        "unable to answer",
        "cannot be answered",
        "cannot be determined",
        "cannot determine",
        "not possible to determine",
        "no information",
        "not enough information",
        "insufficient information",
        "is not mentioned",
        "not mentioned in",
        "does not mention",
        "doesn't mention",
        "do not mention",
        "is not stated",
        "is not specified",
        "does not specify",
        "is not provided",
        "does not provide",
        "does not say",
        "doesn't say",
        "do not contain",
        "does not contain",
    )
)


def abstains(text: str) -> bool:
    """Whether ``text`` is empty, is a word such as "unknown", or holds a phrase such as "I don't know".

    Source: ours; English only.
    """
    normal = normalize(text)
    return normal in _WHOLE or any(phrase in f" {normal} " for phrase in _PHRASES)
