"""The patches of a library, by content, within a limit; wherever the library keeps them.

A key is made of the document's hash, the base model's fingerprint and the writer's settings: a patch is never changed,
only added and removed. Beyond the limit, the patches that were used longest ago are removed. Nothing is written for a
question: adapters made of several patches exist in memory only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rag.core.errors import PatchError
from rag.library.adapter_folders import MANIFEST, WEIGHTS, Usage, sum_bytes
from rag.library.patch_files import PatchFiles
from rag.patches.base import PatchInfo, Tensors
from rag.patches.sentence_index import SentenceIndex
from rag.patches.store.files import decode_index, decode_info, decode_tensors, encode_patch, find_info, is_whole
from rag.patches.store.tensor_cache import Loaded, TensorCache

_MIB = 2**20


class PatchStore:
    """Reads and writes the patches of one library; for threads of one process and for several processes.

    Args:
        files: where their bytes are.
        max_mib: most MiB of all patches.
        max_memory_mib: most MiB of loaded tensors in memory.

    Raises (every method that reads or writes):
        StorageError: the disk is full or cannot be written, or the server is out of reach.
    """

    def __init__(self, files: PatchFiles, max_mib: float, max_memory_mib: float) -> None:
        self._files = files
        self.max_bytes = int(max_mib * _MIB)
        self._memory = TensorCache(int(max_memory_mib * _MIB))

    @property
    def memory_bytes(self) -> int:
        """Bytes of the tensors in memory."""
        return self._memory.num_bytes

    @property
    def scratch(self) -> Path:
        """A folder of this machine for what can be made again."""
        return self._files.scratch

    @property
    def size_bytes(self) -> int:
        """Bytes of all weights."""
        return self._patch_bytes()

    def __contains__(self, key: str) -> bool:
        return key in self.known([key])

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that are there."""
        return self._files.known(keys) if keys else set()

    def ls(self) -> list[PatchInfo]:
        """Every patch whose manifest can be read, by document and key; :meth:`unreadable` lists the others."""
        infos = [info for key, manifest in self._files.manifests().items() if (info := find_info(key, manifest))]
        return sorted(infos, key=lambda info: (info.doc_id, info.key))

    def unreadable(self) -> list[str]:
        """Keys of patches whose manifest is missing or damaged."""
        return [key for key, manifest in self._files.manifests().items() if find_info(key, manifest) is None]

    def damaged(self) -> list[str]:
        """Keys of patches whose weights or manifest differ from what was written. Reads everything."""
        return [key for key in self._files.list_keys() if not is_whole(key, self._files.read(key))]

    def fetch(self, key: str) -> Mapping[str, bytes]:
        """The files of a patch by name, as they were written: for a server that loads the adapter by itself.

        Raises:
            PatchError: there is none of this key, or it is damaged.
        """
        files = self._files.read(key)
        info = decode_info(key, files.get(MANIFEST))
        decode_tensors(key, files, info.sha256)
        self._files.touch(key)
        return files

    def load(self, key: str) -> Loaded:
        """A patch and its tensors, from memory if they are there.

        Raises:
            PatchError: there is none of this key, or it is damaged.
        """
        loaded = self._memory.get(key)
        if loaded is None:
            files = self._files.read(key)
            info = decode_info(key, files.get(MANIFEST))
            tensors = decode_tensors(key, files, info.sha256)
            loaded = Loaded(info, tensors, decode_index(key, files[WEIGHTS]))
            self._files.touch(key)
            self._memory.put(loaded)
        return loaded

    def save(
        self,
        info: PatchInfo,
        tensors: Tensors,
        protected: Collection[str] = (),
        index: SentenceIndex | None = None,
    ) -> tuple[PatchInfo, list[str]]:
        """Write a patch, and remove others where the limit needs it.

        Args:
            info: what the patch is.
            tensors: its adapter.
            protected: keys that must stay.
            index: of the sentences that it recites.

        Returns:
            The patch as it was written, and the doc_ids of the patches that were removed.

        Raises:
            PatchError: the limit leaves no room for it, or it holds numbers that are not finite; nothing is changed.
        """
        if not all(bool(tensor.isfinite().all()) for pair in tensors.values() for tensor in pair):
            raise PatchError(f"training on {info.doc_id} diverged: the patch holds numbers that are not finite")
        written, files = encode_patch(tensors, info, index)
        with self._files.writing() as changes:
            # Its own key may be there already; written again, it takes no more room.
            others = [item for item in changes.usages() if item.name != info.key]
            surplus = sum_bytes(others) + written.size_bytes - self.max_bytes
            victims = _choose_victims(others, surplus, protected)
            if victims is None:
                raise self._no_room(info, written.size_bytes)
            evicted = {key: changes.drop(key) for key in victims}
            changes.put(info.key, files)
        for key in victims:
            self._memory.drop(key)
        infos = {key: find_info(key, manifest) for key, manifest in evicted.items()}
        return written, [found.doc_id if found else key for key, found in infos.items()]

    def num_that_fit(self, patch_bytes: int, protected: Collection[str]) -> int:
        """How many patches of this size can be added while the ``protected`` ones stay."""
        stay = [item for item in self._files.usages() if item.name in protected]
        return max(0, self.max_bytes - sum_bytes(stay)) // max(1, patch_bytes)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove patches; all of them must be there.

        Raises:
            PatchError: there is no patch with one of these keys; nothing is removed then.
        """
        known = set(self._files.list_keys())
        for key in keys:
            if key not in known:
                raise PatchError(f"there is no patch {key!r}; 'concord patch ls' lists them")
        with self._files.writing() as changes:
            for key in keys:
                changes.drop(key)
        for key in keys:
            self._memory.drop(key)

    def clean(self) -> None:
        """Remove what a killed process left half-written."""
        self._files.clean()

    def _patch_bytes(self) -> int:
        return sum_bytes(self._files.usages())

    def _no_room(self, info: PatchInfo, size_bytes: int) -> PatchError:
        return PatchError(
            f"the patch of {info.doc_id} takes {size_bytes / _MIB:.1f} MiB, and the store's limit of "
            f"{self.max_bytes / _MIB:.1f} MiB leaves no room for it; raise patch_store_mib"
        )


def _choose_victims(items: Sequence[Usage], surplus: int, protected: Collection[str]) -> list[str] | None:
    """Names to remove, least recently used first, so that ``surplus`` bytes get free; ``None`` if they cannot."""
    victims: list[str] = []
    for item in items:
        if surplus <= 0:
            break
        if item.name not in protected:
            victims.append(item.name)
            surplus -= item.size_bytes
    return victims if surplus <= 0 else None
