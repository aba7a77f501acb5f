"""The patches of a library on disk, by content: at most so many bytes there, at most so many in memory.

    patches/<key>/   adapter_model.safetensors  adapter_config.json  manifest.json
    patches/composed/<name>/                    written only for engines that load adapters from disk

A key is made of the document's hash, the base model's fingerprint and the writer's settings: a patch is never
changed, only added and removed. When the limit is passed, the one that was used longest ago goes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import RLock

from filelock import FileLock

from rag.core.errors import PatchError
from rag.generation.transformers.lora import num_bytes
from rag.patches.base import PatchInfo, Tensors
from rag.patches.folder import MANIFEST, PARTIAL, WEIGHTS, read_info, read_tensors, write_folder

_MIB = 2**20


def patch_key(content_hash: str, base: str, writer: str) -> str:
    """A patch's name in a store."""
    return hashlib.sha256(f"{content_hash} {base} {writer}".encode()).hexdigest()[:32]


class PatchStore:
    """Reads and writes one folder of patches; for threads of one process and for several processes.

    Args:
        folder: where they lie; made when the first is written.
        max_mib: most MiB on disk.
        max_memory_mib: most MiB of loaded tensors that are kept.
    """

    def __init__(self, folder: Path, max_mib: float, max_memory_mib: float) -> None:
        self.folder = folder
        self._max_bytes = int(max_mib * _MIB)
        self._max_memory = int(max_memory_mib * _MIB)
        self._memory: OrderedDict[str, tuple[PatchInfo, Tensors]] = OrderedDict()
        self._memory_bytes = 0
        self._disk_bytes: int | None = None  # as far as this process knows; a scan settles it
        self._mutex = RLock()

    @property
    def memory_bytes(self) -> int:
        """Bytes of the tensors that are kept in memory."""
        return self._memory_bytes

    def __contains__(self, key: str) -> bool:
        return (self.folder / key / MANIFEST).is_file()

    def ls(self) -> list[PatchInfo]:
        """Every patch whose manifest can be read, by document and key; :meth:`unreadable` lists the others."""
        infos = [info for key in self._keys() if (info := self._info_or_none(key)) is not None]
        return sorted(infos, key=lambda info: (info.doc_id, info.key))

    def unreadable(self) -> list[str]:
        """Keys of patches whose manifest is missing or damaged."""
        return [key for key in self._keys() if self._info_or_none(key) is None]

    def damaged(self) -> list[str]:
        """Keys of patches whose weights or manifest are not as they were written. Reads everything."""
        return [key for key in self._keys() if not self._is_whole(key)]

    def load(self, key: str) -> tuple[PatchInfo, Tensors]:
        """A patch and its tensors, from memory where they are kept.

        Raises:
            PatchError: there is none of this key, or it is damaged.
        """
        with self._mutex:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
            info = read_info(self.folder / key)
            tensors = read_tensors(self.folder / key, info.sha256)
            os.utime(self.folder / key / MANIFEST)  # when it was used last
            self._remember(info, tensors)
            return info, tensors

    def save(self, info: PatchInfo, tensors: Tensors) -> PatchInfo:
        """Write a patch, then remove the least recently used ones beyond the limit.

        Raises:
            PatchError: it is larger than the whole limit, or holds numbers that are not finite.
            StorageError: the disk is full, or cannot be written.
        """
        if num_bytes(tensors) > self._max_bytes:
            raise PatchError(
                f"the patch of {info.doc_id} takes {num_bytes(tensors) / _MIB:.1f} MiB, the store is limited to "
                f"{self._max_bytes / _MIB:.1f}; raise patch_store_mib"
            )
        if not all(bool(tensor.isfinite().all()) for pair in tensors.values() for tensor in pair):
            raise PatchError(f"training on {info.doc_id} diverged: the patch holds numbers that are not finite")
        with self._locked():
            written = write_folder(self.folder / info.key, tensors, info.base_name, info)
            assert written is not None
            if self._disk_bytes is not None:
                self._disk_bytes += written.size_bytes
            if self._disk_bytes is None or self._disk_bytes > self._max_bytes:
                self._disk_bytes = self._evict(keep=info.key)
        return written

    def remove(self, keys: Sequence[str]) -> None:
        """Remove patches; all of them must be there.

        Raises:
            PatchError: there is none of one of these keys; nothing is removed then.
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
            for leftover in self.folder.glob(f"{PARTIAL}*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def _keys(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(self.folder) if len(entry.name) == 32 and entry.is_dir())

    def _info_or_none(self, key: str) -> PatchInfo | None:
        try:
            return read_info(self.folder / key)
        except PatchError:
            return None

    def _is_whole(self, key: str) -> bool:
        try:
            info = read_info(self.folder / key)
            read_tensors(self.folder / key, info.sha256)
        except PatchError:
            return False
        return True

    def _remember(self, info: PatchInfo, tensors: Tensors) -> None:
        size = num_bytes(tensors)
        if size > self._max_memory:
            return
        self._memory[info.key] = (info, tensors)
        self._memory_bytes += size
        while self._memory_bytes > self._max_memory:
            _, (_, oldest) = self._memory.popitem(last=False)
            self._memory_bytes -= num_bytes(oldest)

    def _evict(self, keep: str) -> int:
        """Remove the least recently used patches beyond the limit; returns the bytes that stay."""
        used = sorted((*self._use(key), key) for key in self._keys())
        total = sum(size for _, size, _ in used)
        for _, size, key in used:
            if total <= self._max_bytes:
                break
            if key != keep:
                self._drop(key)
                total -= size
        return total

    def _use(self, key: str) -> tuple[float, int]:
        """When it was used last, and its bytes; a damaged one goes first."""
        try:
            return (self.folder / key / MANIFEST).stat().st_mtime, (self.folder / key / WEIGHTS).stat().st_size
        except OSError:
            return 0.0, 0

    def _drop(self, key: str) -> None:
        # Renamed first: readers see a patch whole or not at all.
        trash = self.folder / f"{PARTIAL}{key}"
        (self.folder / key).rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        with self._mutex:
            if key in self._memory:
                self._memory_bytes -= num_bytes(self._memory.pop(key)[1])

    def _locked(self) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock", timeout=60)


def check_base(info: PatchInfo, base: str, *, is_portable: bool) -> None:
    """Refuse a patch that was made for another base model.

    Raises:
        PatchError: it was, and ``is_portable`` is not set.
    """
    if info.base != base and not is_portable:
        raise PatchError(
            f"patch {info.key} was made for model {info.base_name!r} ({info.base}), not for this one ({base}); "
            "build it for this model, or use it as it is with --portable"
        )
