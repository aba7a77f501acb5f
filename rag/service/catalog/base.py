"""Which libraries a service has: the contract, and what its kinds share."""

from __future__ import annotations

import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag.core.encoding import Encoder
from rag.core.process.lazy import lazy_property
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.base import Generator
from rag.library.base import Library
from rag.library.open import open_library
from rag.models.sentence_encoder import SentenceEncoder
from rag.service.catalog.generator import SharedGenerator
from rag.service.problems import Problem


def tenant_salt(tenant: str) -> str:
    """Keeps the rows and prefix caches of tenants apart."""
    return hashlib.sha256(f"concord tenant {tenant}".encode()).hexdigest()[:32]


class LibraryCatalog(ABC):
    """All tenants' libraries, and the models over them.

    Nothing is kept in the process but open engines: any number of services may work on the same libraries.

    Args:
        root: folder of the service; its jobs are below it.
        config: settings of every engine.
        load: loads the generator that all engines share.
        encoder: replaces the configured one.
    """

    def __init__(
        self, root: Path, config: Config, load: Callable[[], Generator], encoder: Encoder | None = None
    ) -> None:
        self.root = root
        self.config = config
        self.encoder: Encoder = encoder or SentenceEncoder(config)
        self.generator = SharedGenerator(load)

    @abstractmethod
    def check(self) -> None:
        """Return if the libraries can be reached.

        Raises:
            StorageError: they cannot.
        """

    @abstractmethod
    def names(self, tenant: str) -> list[str]:
        """The tenant's libraries, by name."""

    @abstractmethod
    def create(self, tenant: str, name: str) -> None:
        """Make an empty library.

        Raises:
            Problem: 409, it exists; 400, its name cannot be used.
        """

    @abstractmethod
    def delete(self, tenant: str, name: str) -> None:
        """Remove a library with everything in it; other processes see it gone at their next request."""

    @abstractmethod
    def engine(self, tenant: str, name: str) -> Engine:
        """An engine over the tenant's library.

        Raises:
            Problem: 404, the tenant has no such library.
        """

    def filled(self, tenant: str, name: str) -> Engine:
        """:meth:`engine`, over a library that has documents.

        Raises:
            Problem: 404, the tenant has no such library; 409, it is empty.
        """
        engine = self.engine(tenant, name)
        if engine.library.num_passages == 0:
            raise Problem(409, "library_not_ready", f"the library {name!r} is empty; add documents first")
        return engine

    @lazy_property
    def base(self) -> Engine:
        """The model without documents: an engine over nothing."""
        self._nothing = tempfile.TemporaryDirectory(prefix="concord-base-")
        return self._open_engine(open_library(self._nothing.name), retriever=_NoDocuments())

    def _open_engine(self, library: Library, tenant: str = "", retriever: BaseRetriever | None = None) -> Engine:
        """An engine of one tenant's. Engines share the models and nothing else."""
        return Engine(
            library,
            self.config,
            encoder=self.encoder,
            retriever=retriever,
            generator=self.generator,
            cache_salt=tenant_salt(tenant) if tenant else "",
        )


class _NoDocuments(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return []
