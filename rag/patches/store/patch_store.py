"""The patches of a library on disk, by content, within a limit.

    patches/<key>/              adapter_model.safetensors  adapter_config.json  manifest.json
    patches/composed/<name>/    several patches as one, written only for engines that load adapters from disk

A key is made of the document's hash, the base model's fingerprint and the writer's settings: a patch is never changed,
only added and removed. Beyond the limit, composed folders are removed first, since they cost no training; then the
patches that were used longest ago. A folder in use is never removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from filelock import FileLock

from rag.core.errors import PatchError
from rag.core.process.leases import writer_lock
from rag.generation.adapter_folder import PARTIAL
from rag.generation.transformers.lora import num_bytes
from rag.patches.base import PatchInfo, Tensors
from rag.patches.store.composed import trim_composed
from rag.patches.store.folder import MANIFEST, find_info, is_whole, read_info, read_tensors, remove_partial, write_patch
from rag.patches.store.tensor_cache import Loaded, TensorCache
from rag.patches.store.usage import find_folders, list_folders, sum_bytes

_MIB = 2**20
_SETTLED_NS = 10**9


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
        self._trimmed_at = 0

    @property
    def memory_bytes(self) -> int:
        """Bytes of the tensors in memory."""
        return self._memory.num_bytes

    @property
    def composed(self) -> Path:
        """Where composed adapters lie."""
        return self.folder / "composed"

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of all weights, composed ones included."""
        return self._patch_bytes() + sum_bytes(find_folders(self.composed))

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
            trim_composed(self.composed, self.max_bytes - self._patch_bytes())
            evicted = self._evict({*protected, info.key})
            if self._patch_bytes() > self.max_bytes:
                self._drop(info.key)
                raise self._no_room(info, written.size_bytes)
        return written, evicted

    def num_that_fit(self, patch_bytes: int, protected: Collection[str]) -> int:
        """How many patches of this size can be added while the ``protected`` ones stay."""
        stay = [item for item in find_folders(self.folder) if item.path.name in protected]
        return max(0, self.max_bytes - sum_bytes(stay)) // max(1, patch_bytes)

    def trim(self) -> None:
        """Remove composed folders beyond the limit, except those in use.

        Costs one ``stat`` when no folder has been added for a second.
        """
        if not self.composed.is_dir() or self.composed.stat().st_mtime_ns == self._trimmed_at:
            return
        with self._locked():
            is_within = trim_composed(self.composed, self.max_bytes - self._patch_bytes())
        changed_at = self.composed.stat().st_mtime_ns
        # The clock of a file system ticks in milliseconds: a change in the same tick would not be seen.
        is_settled = time.time_ns() - changed_at > _SETTLED_NS
        self._trimmed_at = changed_at if is_within and is_settled else 0

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
        """Remove what a killed process left half-written."""
        with self._locked():
            remove_partial(self.folder)
            trim_composed(self.composed, self.max_bytes - self._patch_bytes())

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
