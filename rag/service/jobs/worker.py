"""A process that builds the patches of libraries in PostgreSQL: ``concord worker``.

Any number of them, on any host, take builds from one queue. Each patch is in the database as soon as it is trained, so
the builds of a worker that is killed go on elsewhere where they were.
"""

from __future__ import annotations

import logging
import socket
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from rag.core.encoding import Encoder
from rag.core.errors import ModelError, PatchError, StorageError
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.base import Generator
from rag.service.catalog.base import tenant_salt
from rag.service.catalog.postgres import PostgresLibraryCatalog
from rag.service.jobs.postgres_queue import LEASE_S, PostgresQueue
from rag.service.jobs.roster import NOTE_S, Builder, Roster
from rag.service.jobs.run import run_job
from rag.service.jobs.store import HeldJob
from rag.service.jobs.work import JobProgress, build_patches, built_fields
from rag.service.schemas import Job

if TYPE_CHECKING:
    from rag.generation.transformers.generator import TransformersGenerator
    from rag.patches.patchset import PatchSet

logger = logging.getLogger("rag.service")
_KIND = "patches"


class PatchWorker:
    """Takes builds that name this worker's model, one at a time.

    Args:
        database: ``postgresql://[user[:password]@]host[:port]/DATABASE``.
        config: names the model, and the limits of a build.
        load: loads the generator.
        encoder: replaces the configured one.
        lease_s: a worker that is silent for so long has lost its build.

    Raises:
        ModelError: the model cannot be loaded, or not trained.
        StorageError: the database is out of reach.
    """

    def __init__(
        self,
        database: str,
        config: Config,
        load: Callable[[], Generator],
        encoder: Encoder | None = None,
        *,
        lease_s: float = LEASE_S,
    ) -> None:
        from rag.models.fingerprint import model_fingerprint

        self._scratch = tempfile.TemporaryDirectory(prefix="concord-worker-")
        self._catalog = PostgresLibraryCatalog(Path(self._scratch.name), config, load, encoder, database=database)
        model = _load_trainable(self._catalog.generator, config.model).model
        self.about = Builder(
            uuid.uuid4().hex, socket.gethostname(), config.model, model_fingerprint(model), str(model.device)
        )
        wanted = {"model": self.about.model, "base": self.about.base}
        connections = self._catalog.connections
        self._queue = PostgresQueue(connections, {_KIND: 1}, 1, wanted=wanted, lease_s=lease_s)
        self._roster = Roster(connections)
        self._is_stopping = Event()

    def run(self, on_end: Callable[[Job], None] = lambda job: None, *, is_draining: bool = False) -> None:
        """Build until :meth:`stop`.

        Args:
            on_end: told of each job that ended here.
            is_draining: end as soon as no build waits for this worker.

        Raises:
            StorageError: the database is out of reach, while draining.
        """
        self._note()
        noting = Thread(target=self._keep_noting, name="roster", daemon=True)
        noting.start()
        try:
            take = self._queue.take_now if is_draining else self._queue.take
            while not self._is_stopping.is_set() and (held := take(_KIND)) is not None:
                ended = run_job(held, self._build, self._is_stopping)
                if ended is not None:
                    on_end(ended)
        finally:
            self.stop()
            noting.join()

    def stop(self) -> None:
        """End after the documents that train at present; the build goes on at another worker, or at the next start."""
        self._is_stopping.set()
        self._queue.close()

    def close(self) -> None:
        """Let go of model and connections."""
        self._catalog.generator.close()
        self._catalog.connections.close()
        self._scratch.cleanup()

    def _build(self, held: HeldJob, progress: JobProgress) -> dict[str, object]:
        engine = self._catalog.engine(held.about["tenant"], held.job.library)
        patches = self._open_patches(engine, held)
        return built_fields(build_patches(engine, patches, held.about["doc_ids"], progress))

    def _open_patches(self, engine: Engine, held: HeldJob) -> PatchSet:
        """The patches of a library, by the settings of the service that asked for them."""
        from rag.patches.patchset import PatchSet

        try:
            config = engine.config.updated(patch_profile=held.about["profile"], patch_store_mib=held.about["store_mib"])
        except KeyError as error:
            raise PatchError(f"the job does not say {error.args[0]!r}; it is of another version of Concord") from error
        salt = tenant_salt(held.about["tenant"])
        encoder = engine.components.encoder
        return PatchSet(engine.library, config, encoder, self._catalog.generator, cache_salt=salt)

    def _note(self) -> None:
        self._roster.note(self.about)

    def _keep_noting(self) -> None:
        while not self._is_stopping.wait(NOTE_S):
            try:
                self._note()
            except StorageError as error:
                logger.warning("%s", error)
        try:
            self._roster.leave(self.about.worker_id)
        except StorageError as error:
            logger.warning("%s", error)


def _load_trainable(load: Callable[[], Generator], name: str) -> TransformersGenerator:
    from rag.patches.base_model import is_trainable

    generator = load()
    if not is_trainable(generator):
        raise ModelError(f"model {name!r} cannot be trained here; a worker needs a model that transformers loads")
    return generator
