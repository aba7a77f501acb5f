"""Loaded patches in memory, up to a limit; the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from rag.generation.transformers.lora import num_bytes
from rag.patches.base import PatchInfo, Tensors
from rag.patches.sentence_index import SentenceIndex


class Loaded(NamedTuple):
    """A patch: what it is, its tensors, and what its sentences are about if it recites."""

    info: PatchInfo
    tensors: Tensors
    sentences: SentenceIndex | None = None


class TensorCache:
    """Patches by key; threads may share one.

    Args:
        max_bytes: most bytes of tensors.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._num_bytes = 0
        self._lock = Lock()

    @property
    def num_bytes(self) -> int:
        """Bytes of the tensors in memory."""
        return self._num_bytes

    def get(self, key: str) -> Loaded | None:
        """A patch, which counts as used now."""
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def put(self, loaded: Loaded) -> None:
        """Add a patch, unless it is larger than the whole limit."""
        with self._lock:
            size = num_bytes(loaded.tensors)
            if size > self._max_bytes or loaded.info.key in self._loaded:
                return
            self._loaded[loaded.info.key] = loaded
            self._num_bytes += size
            while self._num_bytes > self._max_bytes:
                self._forget(next(iter(self._loaded)))

    def drop(self, key: str) -> None:
        """Forget a patch, if it is there."""
        with self._lock:
            if key in self._loaded:
                self._forget(key)

    def _forget(self, key: str) -> None:
        self._num_bytes -= num_bytes(self._loaded.pop(key).tensors)
