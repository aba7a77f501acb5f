"""Assumptions that a question states: "assume that the fare is 5 crowns, ...". They stand above every document."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = (
    r"(?:please\s+)?(?:let'?s\s+|let\s+us\s+)?(?:assume|assuming|suppose|supposing|imagine|pretend|consider|presume|"
    r"presuming|take\s+it|take\s+it\s+as\s+given|say|for\s+the\s+sake\s+of\s+argument|hypothetically|provided|"
    r"given\s+the\s+assumption|under\s+the\s+assumption|on\s+the\s+assumption)"
)
_TOLD = re.compile(
    rf"^\W*(?:{_OPENING})(?:\s*,)?\s+(?:for\s+(?:a\s+moment|now|this)\s+)?(?:that\s+)?(?P<claim>.+?)"
    r"(?:[.;:!]\s+|,\s*(?=(?:then\s+)?(?:who|what|when|where|which|why|how|is|are|does|do|did|can|will|would|"
    r"should)\b)|"
    r"\s*$)(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_IF = re.compile(
    r"^\W*(?:if|what\s+if)\s+(?P<claim>.+?\b(?:were|was|had|did|is|are|has)\b.+?),\s*(?:then\s+)?(?P<rest>(?:who|"
    r"what|when|"
    r"where|which|why|how|is|are|does|do|did|can|will|would|should)\b.*)$",
    re.IGNORECASE | re.DOTALL,
)
_TRAILING = re.compile(
    r"^(?P<rest>.+?),?\s+(?:assuming|supposing|on\s+the\s+assumption|under\s+the\s+assumption|provided)\s+"
    r"(?:that\s+)?(?P<claim>.+?)\W*$|^(?P<rest2>.+?),?\s+if\s+(?P<claim2>.+?\b(?:were|had)\b.+?)\W*$",
    re.IGNORECASE | re.DOTALL,
)
# "say" and "consider" open an assumption only before a clause.
_NEEDS_CLAUSE = re.compile(r"^\W*(?:please\s+)?(?:let'?s\s+)?(?:say|consider|provided)\b", re.IGNORECASE)
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|costs?|runs?|owns?|lives?|died|won|wins|becomes?|became|does|did|will|would|"
    r"can|could|opens?|closes?|starts?|ends?|ended|wrote|built|means|equals)\b|\w{3,}(?:ed|es)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Assumption:
    """What a question tells to assume.

    Attributes:
        claim: the assumption, without its opening.
        question: the question without the assumption; empty where it asks nothing more.
    """

    claim: str
    question: str


def find_assumption(question: str) -> Assumption | None:
    """The assumption that a question states, or ``None``.

    A question about an assumption in a text ("What does the report assume?") states none.
    """
    for pattern in (_TOLD, _IF, _TRAILING):
        match = pattern.match(question.strip())
        if match is None:
            continue
        parts = match.groupdict()
        claim = (parts.get("claim") or parts.get("claim2") or "").strip(" ,.;:")
        rest = (parts.get("rest") or parts.get("rest2") or "").strip()
        if _VERB.search(claim) and not (_NEEDS_CLAUSE.match(question) and not rest):
            return Assumption(claim, rest[:1].upper() + rest[1:])
    return None
