"""The patches of a library on disk, by content, within a limit.

    patches/<key>/              adapter_model.safetensors  adapter_config.json  manifest.json

A key is made of the document's hash, the base model's fingerprint and the writer's settings: a patch is never changed,
only added and removed. Beyond the limit, the patches that were used longest ago are removed. Nothing is written for a
question: adapters made of several patches exist in memory only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from filelock import FileLock

from rag.core.errors import PatchError
from rag.core.process.locks import writer_lock
from rag.generation.adapter_folder import PARTIAL
from rag.generation.transformers.lora import num_bytes
from rag.patches.base import PatchInfo, Tensors
from rag.patches.store.folder import MANIFEST, find_info, is_whole, read_info, read_tensors, remove_partial, write_patch
from rag.patches.store.tensor_cache import Loaded, TensorCache
from rag.patches.store.usage import find_folders, list_folders, sum_bytes

_MIB = 2**20


class PatchStore:
    """Reads and writes one folder of patches; for threads of one process and for several processes.

    Args:
        folder: where they lie; made when the first is written.
        max_mib: most MiB on disk.
        max_memory_mib: most MiB of loaded tensors in memory.
    """

    def __init__(self, folder: Path, max_mib: float, max_memory_mib: float) -> None:
        self.folder = folder
        self.max_bytes = int(max_mib * _MIB)
        self._memory = TensorCache(int(max_memory_mib * _MIB))

    @property
    def memory_bytes(self) -> int:
        """Bytes of the tensors in memory."""
        return self._memory.num_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of all weights."""
        return self._patch_bytes()

    def __contains__(self, key: str) -> bool:
        return (self.folder / key / MANIFEST).is_file()

    def ls(self) -> list[PatchInfo]:
        """Every patch whose manifest can be read, by document and key; :meth:`unreadable` lists the others."""
        infos = [info for key in self._keys() if (info := find_info(self.folder / key)) is not None]
        return sorted(infos, key=lambda info: (info.doc_id, info.key))

    def unreadable(self) -> list[str]:
        """Keys of patches whose manifest is missing or damaged."""
        return [key for key in self._keys() if find_info(self.folder / key) is None]

    def damaged(self) -> list[str]:
        """Keys of patches whose weights or manifest differ from what was written. Reads everything."""
        return [key for key in self._keys() if not is_whole(self.folder / key)]

    def load(self, key: str) -> Loaded:
        """A patch and its tensors, from memory if they are there.

        Raises:
            PatchError: there is none of this key, or it is damaged.
        """
        loaded = self._memory.get(key)
        if loaded is None:
            info = read_info(self.folder / key)
            loaded = info, read_tensors(self.folder / key, info.sha256)
            os.utime(self.folder / key / MANIFEST)  # when it was last used
            self._memory.put(*loaded)
        return loaded

    def save(self, info: PatchInfo, tensors: Tensors, protected: Collection[str] = ()) -> tuple[PatchInfo, list[str]]:
        """Write a patch, then remove others until the limit holds.

        Args:
            info: what the patch is.
            tensors: its adapter.
            protected: keys that must stay.

        Returns:
            The patch as it was written, and the doc_ids of the patches that were removed.

        Raises:
            PatchError: the limit leaves no room for it, or it holds numbers that are not finite.
            StorageError: the disk is full, or cannot be written.
        """
        if not all(bool(tensor.isfinite().all()) for pair in tensors.values() for tensor in pair):
            raise PatchError(f"training on {info.doc_id} diverged: the patch holds numbers that are not finite")
        if num_bytes(tensors) > self.max_bytes:
            raise self._no_room(info, num_bytes(tensors))
        with self._locked():
            written = write_patch(self.folder / info.key, tensors, info)
            evicted = self._evict({*protected, info.key})
            if self._patch_bytes() > self.max_bytes:
                self._drop(info.key)
                raise self._no_room(info, written.size_bytes)
        return written, evicted

    def num_that_fit(self, patch_bytes: int, protected: Collection[str]) -> int:
        """How many patches of this size can be added while the ``protected`` ones stay."""
        stay = [item for item in find_folders(self.folder) if item.path.name in protected]
        return max(0, self.max_bytes - sum_bytes(stay)) // max(1, patch_bytes)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove patches; all of them must be there.

        Raises:
            PatchError: there is no patch with one of these keys; nothing is removed then.
        """
        for key in keys:
            if not key or key not in self._keys():
                raise PatchError(f"there is no patch {key!r}; 'concord patch ls' lists them")
        with self._locked():
            for key in keys:
                self._drop(key)

    def clean(self) -> None:
        """Remove what a killed process left half-written, and what older versions wrote for single questions."""
        with self._locked():
            remove_partial(self.folder)
            shutil.rmtree(self.folder / "composed", ignore_errors=True)

    def _keys(self) -> list[str]:
        return [path.name for path in list_folders(self.folder)]

    def _patch_bytes(self) -> int:
        return sum_bytes(find_folders(self.folder))

    def _evict(self, protected: Collection[str]) -> list[str]:
        """Remove patches until they keep within the limit; returns their doc_ids."""
        items = find_folders(self.folder)
        total = sum_bytes(items)
        evicted = []
        for item in items:
            if total <= self.max_bytes:
                break
            if item.path.name not in protected:
                info = find_info(item.path)
                self._drop(item.path.name)
                evicted.append(info.doc_id if info else item.path.name)
                total -= item.size_bytes
        return evicted

    def _drop(self, key: str) -> None:
        # Renamed first: readers see a patch whole or not at all.
        trash = self.folder / f"{PARTIAL}{key}"
        (self.folder / key).rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        self._memory.drop(key)

    def _no_room(self, info: PatchInfo, size_bytes: int) -> PatchError:
        return PatchError(
            f"the patch of {info.doc_id} takes {size_bytes / _MIB:.1f} MiB, and the store's limit of "
            f"{self.max_bytes / _MIB:.1f} MiB leaves no room for it; raise patch_store_mib"
        )

    def _locked(self) -> FileLock:
        return writer_lock(self.folder)
