"""Where the libraries are: one folder per tenant and library, and engines over them that share the models.

Nothing is kept in the process but open engines: any number of services may work on the same root.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import RLock

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag.core.config import Config
from rag.core.errors import UnavailableError
from rag.engine import Engine
from rag.generation.base import Generator
from rag.library.base import Library
from rag.library.sqlite.library import SqliteLibrary
from rag.models.sentence_encoder import Encoder, SentenceEncoder
from rag.service.problems import Problem
from rag.service.routes.schemas import NAME_PATTERN

_MAX_OPEN = 128


class SharedGenerator:
    """The one generator of all engines: loaded when it is first needed, and tried again when that failed.

    Args:
        load: loads it.
        wait_s: longest wait for another thread that is loading it; the models of a first start may take minutes.
    """

    def __init__(self, load: Callable[[], Generator], wait_s: float = 20.0) -> None:
        self._load = load
        self._wait_s = wait_s
        self._lock = RLock()
        self._loaded: Generator | None = None

    @property
    def loaded(self) -> Generator | None:
        """The generator if it is loaded; never waits."""
        return self._loaded

    def __call__(self) -> Generator:
        """The generator.

        Raises:
            ModelError: it cannot be loaded.
            UnavailableError: not now.
        """
        if self._loaded is not None:
            return self._loaded
        if not self._lock.acquire(timeout=self._wait_s):
            raise UnavailableError("the model is still being loaded; ask again in a moment")
        try:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded
        finally:
            self._lock.release()

    def close(self) -> None:
        """Stop all that it generates."""
        if self._loaded is not None:
            self._loaded.close()


def salt_of(tenant: str) -> str:
    """Keeps the rows and prefix caches of tenants apart."""
    return hashlib.sha256(f"concord tenant {tenant}".encode()).hexdigest()[:32]


class LibraryCatalog:
    """All tenants' libraries.

    Args:
        root: folder of the tenants' folders.
        config: settings of every engine.
        load: loads the generator that all engines share.
        encoder: in place of the configured one.
    """

    def __init__(
        self, root: Path, config: Config, load: Callable[[], Generator], encoder: Encoder | None = None
    ) -> None:
        self.root = root
        self.config = config
        self.encoder: Encoder = encoder or SentenceEncoder(config)
        self.generator = SharedGenerator(load)
        self._lock = RLock()
        self._open: OrderedDict[Path, tuple[int, Engine]] = OrderedDict()
        root.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Return if the libraries can be reached.

        Raises:
            StorageError: they cannot.
        """

    def names(self, tenant: str) -> list[str]:
        """The tenant's libraries, by name."""
        return sorted(path.parent.name for path in self._folder(tenant).glob("[!.]*/library.sqlite3"))

    def create(self, tenant: str, name: str) -> None:
        """Make an empty library.

        Raises:
            Problem: 409, it exists.
        """
        if name in self.names(tenant):
            raise Problem(409, "library_exists", f"the library {name!r} exists; add to it, or choose another name")
        SqliteLibrary.open(self._folder(tenant, name)).close()

    def delete(self, tenant: str, name: str) -> None:
        """Remove a library with everything in it; other processes see it gone at their next request."""
        folder = self._existing(tenant, name)
        trash = self.root / f".trash-{uuid.uuid4().hex}"
        folder.rename(trash)  # at once, so that no half of a library is ever seen
        shutil.rmtree(trash, ignore_errors=True)
        with self._lock:
            self._open.pop(folder, None)

    def engine(self, tenant: str, name: str) -> Engine:
        """An engine over the tenant's library.

        Raises:
            Problem: 404, the tenant has no such library.
        """
        folder = self._existing(tenant, name)
        inode = (folder / "library.sqlite3").stat().st_ino
        with self._lock:
            if folder not in self._open or self._open[folder][0] != inode:
                self._open[folder] = inode, self._engine(SqliteLibrary.open(folder, must_exist=True), tenant)
            self._open.move_to_end(folder)
            while len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)  # not closed: a request may still be using it
            return self._open[folder][1]

    def filled(self, tenant: str, name: str) -> Engine:
        """:meth:`engine`, over a library that has documents.

        Raises:
            Problem: 404, the tenant has no such library; 409, it is empty.
        """
        engine = self.engine(tenant, name)
        if engine.library.num_passages == 0:
            raise Problem(409, "library_not_ready", f"the library {name!r} is empty; add documents first")
        return engine

    @cached_property
    def base(self) -> Engine:
        """The model without documents: an engine over nothing."""
        self._nothing = tempfile.TemporaryDirectory(prefix="concord-base-")
        return self._engine(SqliteLibrary.open(self._nothing.name), retriever=_NoDocuments())

    def _engine(self, library: Library, tenant: str = "", retriever: BaseRetriever | None = None) -> Engine:
        """An engine of its tenant's: beside models it shares nothing; what it remembers goes with it."""
        return Engine(
            library,
            self.config,
            encoder=self.encoder,
            retriever=retriever,
            generator=self.generator,
            cache_salt=salt_of(tenant) if tenant else "",
        )

    def _existing(self, tenant: str, name: str) -> Path:
        if re.fullmatch(NAME_PATTERN, name):
            folder = self._folder(tenant, name)
            if (folder / "library.sqlite3").is_file():
                return folder
        raise Problem(404, "library_not_found", f"there is no library {name[:80]!r}; GET /v1/libraries lists yours")

    def _folder(self, *names: str) -> Path:
        """The one place where names become a path."""
        if not all(re.fullmatch(NAME_PATTERN, name) for name in names):
            raise Problem(400, "invalid_name", "expected lower-case letters, digits, '-' and '_'")
        return self.root.joinpath(*names)


class _NoDocuments(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return []
