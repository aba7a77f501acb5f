"""Patches beside a library in a folder: one folder a patch.

patches/<key>/    adapter_model.safetensors  adapter_config.json  manifest.json
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from rag.core.errors import StorageError
from rag.core.process.locks import writer_lock
from rag.library.adapter_folders import (
    MANIFEST,
    PARTIAL,
    Usage,
    find_folders,
    list_folders,
    read_files,
    remove_partial,
    write_files,
)
from rag.library.patch_files import PatchChanges, PatchFiles


class FolderPatchFiles(PatchFiles):
    """The patches in one folder, which is made when the first is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def scratch(self) -> Path:
        """The folder itself; its limit counts what lies here too."""
        return self.folder

    def list_keys(self) -> list[str]:
        """The keys of all patches, sorted."""
        return [path.name for path in list_folders(self.folder)]

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that are there."""
        return {key for key in keys if (self.folder / key / MANIFEST).is_file()}

    def usages(self) -> list[Usage]:
        """All patches, least recently used first."""
        return find_folders(self.folder)

    def manifests(self) -> dict[str, bytes | None]:
        """The manifest of each patch by key; ``None`` where it is missing."""
        return {key: _read_manifest(self.folder / key) for key in self.list_keys()}

    def read(self, key: str) -> dict[str, bytes]:
        """The files of a patch by name; empty where there is none of this key."""
        try:
            return read_files(self.folder / key)
        except FileNotFoundError:
            return {}  # removed meanwhile
        except OSError as error:
            raise StorageError(f"patch {key} cannot be read: {error.strerror}") from error

    def touch(self, key: str) -> None:
        """Note that a patch was used; one on a disk that cannot be written is not noted."""
        with suppress(OSError):
            os.utime(self.folder / key / MANIFEST)

    @contextmanager
    def writing(self) -> Iterator[PatchChanges]:
        """Be the one writer of this folder.

        Raises:
            StorageError: another process was still at it after a minute.
        """
        try:
            with writer_lock(self.folder):
                yield _FolderChanges(self.folder)
        except Timeout:
            raise StorageError(f"another process is writing to {self.folder}; try again when it is done") from None

    def clean(self) -> None:
        """Remove what a killed process left half-written, and what older versions wrote for single questions."""
        with self.writing():
            remove_partial(self.folder)
            shutil.rmtree(self.folder / "composed", ignore_errors=True)


class _FolderChanges(PatchChanges):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def usages(self) -> list[Usage]:
        return find_folders(self._folder)

    def put(self, key: str, files: Mapping[str, bytes]) -> None:
        write_files(self._folder / key, files)

    def drop(self, key: str) -> bytes | None:
        manifest = _read_manifest(self._folder / key)
        # Renamed first: readers see a patch whole or not at all.
        trash = self._folder / f"{PARTIAL}{key}"
        with suppress(FileNotFoundError):
            (self._folder / key).rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        return manifest


def _read_manifest(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None
