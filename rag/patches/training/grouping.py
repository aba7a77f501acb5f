"""Which documents train together."""

from __future__ import annotations

from collections.abc import Sequence

from rag.patches.training.packing import Pack


def group_documents(
    documents: Sequence[Sequence[Pack]],
    max_tokens: int,
    max_documents: int | None = None,
    without: Sequence[int] = (),
) -> list[list[int]]:
    """Indices of documents with equally many rows of similar length.

    Args:
        documents: the rows of each.
        max_tokens: most tokens of a padded step; a document that exceeds it alone is its own group.
        max_documents: most documents of a group.
        without: indices to leave out.
    """

    def longest(index: int) -> int:
        return max(map(len, documents[index]))

    def fits(group: Sequence[int], index: int) -> bool:
        head = group[0]
        is_similar = len(documents[head]) == len(documents[index]) and longest(index) * 4 >= longest(head) * 3
        is_full = max_documents is not None and len(group) >= max_documents
        return is_similar and not is_full and (len(group) + 1) * longest(head) <= max_tokens

    groups: list[list[int]] = []
    chosen = (index for index in range(len(documents)) if index not in without)
    for index in sorted(chosen, key=lambda i: (len(documents[i]), -longest(i), i)):
        if groups and fits(groups[-1], index):
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
