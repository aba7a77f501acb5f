"""Claims read by grammar alone, without a model: "The harbour master of Port Selwick is Edda Lindqvist".

Only the present tense and the definite article are read: "the R of X is Y" says that X has exactly one R, which is Y.
These relations keep their article ("the harbour master") and have one object, so two documents with different objects
contradict each other. Other claims need imported triples or a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kg.names import canonical, is_name
from kg.types import Provenance, Triple
from rag.core.passages import Passage

DEFINITE = "the "
_CAPITAL = r"[A-Z][\w\u2019'-]*"
_NAME = rf"{_CAPITAL}(?:\s(?:of\sthe\s|of\s|the\s|de\s|van\s|von\s)?{_CAPITAL})*"
_ROLE = r"[a-z][a-z-]*(?:\s(?!of\b)[a-z][a-z-]*){0,2}"
_END = r"(?=\s*(?:[.;,!?)]|$|\n)|\s(?:and|since|who|until|from)\b)"
_PATTERNS = (
    re.compile(rf"\b[Tt]he\s(?P<role>{_ROLE})\sof\s(?:the\s)?(?P<subject>{_NAME})\sis\s(?P<object>{_NAME}){_END}"),
    re.compile(rf"(?P<object>{_NAME})\sis\sthe\s(?P<role>{_ROLE})\sof\s(?:the\s)?(?P<subject>{_NAME}){_END}"),
    re.compile(rf"(?P<subject>{_NAME})['\u2019]s\s(?P<role>{_ROLE})\sis\s(?P<object>{_NAME}){_END}"),
)
# These words say when, not what: "the new mayor" is the mayor.
_TIME_WORDS = re.compile(r"^(?:current|present|new|incumbent|acting)\s")


def claims_in(passage: Passage) -> Iterator[Triple]:
    """Every definite claim of a passage, pattern by pattern. The span covers the whole claim."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(passage.text):
            subject, target = canonical(match["subject"]), canonical(match["object"])
            if is_name(subject) and is_name(target) and subject != target:
                relation = DEFINITE + _TIME_WORDS.sub("", " ".join(match["role"].split()))
                source = Provenance(passage.doc_id, passage.passage_id, match.start(), match.end())
                yield Triple(subject, relation, target, source)
