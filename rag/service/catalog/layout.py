"""Where the libraries of a service lie on disk. This is the one place where names become paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.service.auth.keys import LOCAL_KEY
from rag.service.names import NAME_PATTERN, name_from_folder
from rag.service.problems import Problem

LIBRARY_FILE = "library.sqlite3"


@dataclass(frozen=True)
class Layout:
    """Folders by tenant and name.

    With keys, every library is at ``root/TENANT/LIBRARY``. Without keys there is one tenant, and its libraries may
    also be at ``root/LIBRARY``, or ``root`` may be a library itself.
    """

    root: Path
    has_tenants: bool

    def folders(self, tenant: str) -> dict[str, Path]:
        """The tenant's libraries by name, sorted."""
        folders = {path.name: path for path in _libraries_in(self._join(tenant))}
        folders = {name: path for name, path in folders.items() if re.fullmatch(NAME_PATTERN, name)}
        if not self.has_tenants and tenant == LOCAL_KEY.tenant:
            for path in self._direct():
                folders.setdefault(name_from_folder(path.name), path)
        return dict(sorted(folders.items()))

    def new_folder(self, tenant: str, name: str) -> Path:
        """Where a new library of the tenant goes.

        Raises:
            Problem: 400, the name cannot be used; 409, this service is for one library.
        """
        folder = self._join(tenant, name)
        if self.has_tenants or not (direct := list(self._direct())):
            return folder
        if direct == [self.root.resolve()]:
            raise Problem(
                409,
                "single_library",
                f"this service serves the library {self.root.name!r} alone; start it with the folder above it",
            )
        return self.root / name

    def places(self) -> list[str]:
        """Where libraries are looked for, for people."""
        if self.has_tenants:
            return [f"{self.root}/TENANT/LIBRARY"]
        return [str(self.root), f"{self.root}/LIBRARY", f"{self.root}/{LOCAL_KEY.tenant}/LIBRARY"]

    def _direct(self) -> Iterator[Path]:
        if (self.root / LIBRARY_FILE).is_file():
            yield self.root.resolve()
        else:
            yield from _libraries_in(self.root)

    def _join(self, *names: str) -> Path:
        if not all(re.fullmatch(NAME_PATTERN, name) for name in names):
            raise Problem(400, "invalid_name", "expected lower-case letters, digits, '-' and '_'")
        return self.root.joinpath(*names)


def _libraries_in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"[!.]*/{LIBRARY_FILE}"))
