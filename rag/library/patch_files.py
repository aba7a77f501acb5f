"""Where a library keeps its patches, as bytes; :mod:`rag.patches.store` knows what is in them.

A patch is a few named files (:mod:`rag.library.adapter_folders`) under a key that is made from its content. It is never
changed: it is added and removed, whole or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from rag.library.adapter_folders import Usage


class PatchChanges(ABC):
    """What the one writer of the patches may do."""

    @abstractmethod
    def usages(self) -> list[Usage]:
        """All patches, least recently used first."""

    @abstractmethod
    def put(self, key: str, files: Mapping[str, bytes]) -> None:
        """Add a patch; one that is there stays as it is."""

    @abstractmethod
    def drop(self, key: str) -> bytes | None:
        """Remove a patch, if it is there; its manifest."""


class PatchFiles(ABC):
    """The patches of one library. Safe for threads of one process and for several processes.

    Raises (every method):
        StorageError: the disk is full or cannot be written, or the server is out of reach.
    """

    @property
    @abstractmethod
    def scratch(self) -> Path:
        """A folder of this machine for what can be made again: written questions."""

    @abstractmethod
    def list_keys(self) -> list[str]:
        """The keys of all patches, sorted."""

    @abstractmethod
    def known(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that are there."""

    @abstractmethod
    def usages(self) -> list[Usage]:
        """All patches, least recently used first."""

    @abstractmethod
    def manifests(self) -> dict[str, bytes | None]:
        """The manifest of each patch by key; ``None`` where it is missing."""

    @abstractmethod
    def read(self, key: str) -> dict[str, bytes]:
        """The files of a patch by name; empty where there is none of this key."""

    @abstractmethod
    def touch(self, key: str) -> None:
        """Note that a patch was used."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[PatchChanges]:
        """Be the one writer of these patches, across processes.

        Raises:
            StorageError: another process was still at it after a minute.
        """

    @abstractmethod
    def clean(self) -> None:
        """Remove what a killed process left half-written."""
