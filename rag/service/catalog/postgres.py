"""Libraries in PostgreSQL behind the service: processes on any number of hosts share them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from rag.core.encoding import Encoder
from rag.core.errors import LibraryError
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.base import Generator
from rag.library.postgres.catalog import PostgresCatalog
from rag.service.catalog.base import LibraryCatalog
from rag.service.catalog.folder import make_folder
from rag.service.catalog.open_engines import OpenEngines
from rag.service.names import NAME_PATTERN
from rag.service.problems import Problem


class PostgresLibraryCatalog(LibraryCatalog):
    """All tenants' libraries in one database; ``root`` keeps the uploads that are on their way into them.

    Args:
        database: ``postgresql://[user[:password]@]host[:port]/DATABASE``.
    """

    def __init__(
        self,
        root: Path,
        config: Config,
        load: Callable[[], Generator],
        encoder: Encoder | None = None,
        *,
        database: str,
    ) -> None:
        super().__init__(root, config, load, encoder)
        make_folder(root)
        self._catalog = PostgresCatalog(database)
        self.connections = self._catalog.connections
        self._engines = OpenEngines()

    def check(self) -> None:
        """Return if the database answers (:meth:`LibraryCatalog.check`)."""
        self._catalog.check()

    def names(self, tenant: str) -> list[str]:
        """The tenant's libraries, by name."""
        prefix = _full_name(tenant, "")
        return [name.removeprefix(prefix) for name in self._catalog.names(prefix)]

    def create(self, tenant: str, name: str) -> None:
        """Make an empty library.

        Raises:
            Problem: 409, it exists; 400, its name is too long for the database.
        """
        full_name = _full_name(tenant, name)
        if self._catalog.identity(full_name):
            raise Problem(409, "library_exists", f"the library {name!r} exists; add to it, or choose another name")
        try:
            self._catalog.open(full_name, must_exist=False).close()
        except LibraryError as error:
            raise Problem(400, "invalid_name", str(error)) from error

    def delete(self, tenant: str, name: str) -> None:
        """Remove a library with everything in it; other processes see it gone at their next request."""
        self._identity(tenant, name)
        self._catalog.remove(_full_name(tenant, name))

    def engine(self, tenant: str, name: str) -> Engine:
        """An engine over the tenant's library.

        Raises:
            Problem: 404, the tenant has no such library.
        """
        identity = self._identity(tenant, name)
        full_name = _full_name(tenant, name)
        return self._engines.get(full_name, identity, lambda: self._open_engine(self._catalog.open(full_name), tenant))

    def _identity(self, tenant: str, name: str) -> str:
        if re.fullmatch(NAME_PATTERN, name):
            identity = self._catalog.identity(_full_name(tenant, name))
            if identity:
                return identity
        raise Problem(404, "library_not_found", f"there is no library {name[:80]!r}; GET /v1/libraries lists yours")


def _full_name(tenant: str, name: str) -> str:
    """The one place where names become a schema's; a tenant's name has no dot, so no prefix can be another's."""
    if not all(re.fullmatch(NAME_PATTERN, part) for part in (tenant, name or tenant)):
        raise Problem(400, "invalid_name", "expected lower-case letters, digits, '-' and '_'")
    return f"{tenant}.{name}"
