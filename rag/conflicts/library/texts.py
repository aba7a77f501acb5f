"""Whether two texts contradict each other: each sentence against the most similar ones of the other text."""

from __future__ import annotations

from rag.conflicts.library.candidates import content_keys, overlap
from rag.conflicts.sentences import split_sentences
from rag.conflicts.statements.contradict import Contradiction, Topic, contradict
from rag.conflicts.statements.difference import MIN_OVERLAP

_MAX_SENTENCES = 200


def contradict_texts(one: str, other: str) -> list[Contradiction]:
    """The contradictions between two texts, surest first: each sentence against the most similar ones of the other.

    Texts that have a whole sentence in common are about one thing.
    """
    lefts, rights = (split_sentences(text)[:_MAX_SENTENCES] for text in (one, other))
    common = set(lefts) & set(rights)
    keys = [content_keys(sentence) for sentence in rights]
    topic: Topic = "one" if common else "likely"
    clashes = []
    for left in lefts:
        if left in common:
            continue
        mine = content_keys(left)
        near = sorted(range(len(rights)), key=lambda i: -len(mine & keys[i]) / max(1, len(mine | keys[i])))[:2]
        near = [i for i in near if rights[i] not in common and overlap(mine, keys[i]) >= MIN_OVERLAP]
        clashes += [clash for i in near if (clash := contradict(left, rights[i], topic=topic))]
    return sorted(clashes, key=lambda clash: -clash.confidence)
