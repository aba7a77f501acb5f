"""Libraries in folders behind the service."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from rag.core.encoding import Encoder
from rag.core.errors import SettingError
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.base import Generator
from rag.library.open import open_library
from rag.service.catalog.base import LibraryCatalog
from rag.service.catalog.layout import LIBRARY_FILE, Layout
from rag.service.catalog.open_engines import OpenEngines
from rag.service.problems import Problem


class FolderCatalog(LibraryCatalog):
    """All tenants' libraries below one folder; arguments as in :class:`LibraryCatalog`.

    Args:
        has_tenants: whether keys tell tenants apart; see :class:`Layout`.

    Raises:
        SettingError: the folder cannot be used.
    """

    def __init__(
        self,
        root: Path,
        config: Config,
        load: Callable[[], Generator],
        encoder: Encoder | None = None,
        *,
        has_tenants: bool = False,
    ) -> None:
        super().__init__(root, config, load, encoder)
        self.layout = Layout(root, has_tenants)
        self._engines = OpenEngines()
        make_folder(root)

    def check(self) -> None:
        """Folders are always within reach."""

    def names(self, tenant: str) -> list[str]:
        """The tenant's libraries, by name."""
        return list(self.layout.folders(tenant))

    def create(self, tenant: str, name: str) -> None:
        """Make an empty library.

        Raises:
            Problem: 409, it exists, or this service is for one library.
        """
        folder = self.layout.new_folder(tenant, name)
        if name in self.names(tenant):
            raise Problem(409, "library_exists", f"the library {name!r} exists; add to it, or choose another name")
        open_library(folder).close()

    def delete(self, tenant: str, name: str) -> None:
        """Remove a library with everything in it; other processes see it gone at their next request."""
        folder = self._find(tenant, name)
        trash = folder.parent / f".trash-{uuid.uuid4().hex}"
        folder.rename(trash)  # at once, so that no half of a library is ever seen
        shutil.rmtree(trash, ignore_errors=True)
        self._engines.forget(folder)

    def engine(self, tenant: str, name: str) -> Engine:
        """An engine over the tenant's library.

        Raises:
            Problem: 404, the tenant has no such library.
        """
        folder = self._find(tenant, name)
        inode = (folder / LIBRARY_FILE).stat().st_ino
        return self._engines.get(
            folder, inode, lambda: self._open_engine(open_library(folder, must_exist=True), tenant)
        )

    def _find(self, tenant: str, name: str) -> Path:
        folder = self.layout.folders(tenant).get(name)
        if folder is None:
            raise Problem(404, "library_not_found", f"there is no library {name[:80]!r}; GET /v1/libraries lists yours")
        return folder


def make_folder(root: Path) -> None:
    """Make the folder of a service, or refuse it.

    Raises:
        SettingError: it is a file, or cannot be made or written.
    """
    if root.exists() and not root.is_dir():
        raise SettingError(f"{root} is a file; name a library's folder, or a folder that holds libraries")
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = root / f".probe-{uuid.uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingError(
            f"cannot write to {root}: {error.strerror}; name a folder that this user may write"
        ) from error
