"""Keys of patches: made from content, and found by their beginning or by document."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rag.core.errors import PatchError
from rag.patches.base import PatchInfo


def patch_key(content_hash: str, base: str, writer: str) -> str:
    """A patch's name in a store: 32 hex digits from its document's hash, its base model and its writer's settings."""
    return hashlib.sha256(f"{content_hash} {base} {writer}".encode()).hexdigest()[:32]


def match_keys(infos: Sequence[PatchInfo], name: str) -> list[str]:
    """The patches that ``name`` means: those of a document, or the one whose key begins so; none if it fits nothing.

    Raises:
        PatchError: several keys begin so.
    """
    of_document = [info.key for info in infos if info.doc_id == name]
    if of_document:
        return of_document
    by_prefix = [info.key for info in infos if name and info.key.startswith(name)]
    if len(by_prefix) > 1:
        raise PatchError(f"{len(by_prefix)} patches have keys that begin with {name!r}; give more digits")
    return by_prefix
