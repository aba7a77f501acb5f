"""What the requests of one service share."""

from __future__ import annotations

from collections.abc import Callable

from rag.core.encoding import Encoder
from rag.core.errors import SettingError
from rag.core.settings.config import Config
from rag.generation.base import Generator
from rag.service.auth.keys import KeyFile
from rag.service.auth.limits import Rate, RateLimit
from rag.service.catalog.base import LibraryCatalog
from rag.service.catalog.folder import FolderCatalog
from rag.service.jobs.folder_queue import FolderQueue
from rag.service.jobs.jobs import Jobs, count_workers
from rag.service.readiness import Readiness
from rag.service.schemas import Job
from rag.service.settings import ServiceSettings
from rag.service.telemetry import Telemetry
from rag.service.workers import Places, Workers

# A question that ran out of time ends with its present step.
_LEASE_MARGIN_S = 60.0


class State:
    """The parts of a service, put together from its settings."""

    def __init__(
        self,
        settings: ServiceSettings,
        config: Config,
        load: Callable[[], Generator],
        encoder: Encoder | None = None,
    ) -> None:
        self.settings = settings
        self.telemetry = Telemetry(settings.traces)
        self.catalog = _open_catalog(settings, config, load, encoder)
        self.jobs = _build_jobs(self.catalog, settings, self.telemetry.job_ended)
        self.keys = KeyFile(settings.keys) if settings.keys else None
        self.rate = _build_rate(self.catalog, settings.requests_per_minute)
        places = _build_places(self.catalog, settings)
        self.workers = Workers(settings.max_chats, settings.max_chats_per_client, places)
        self.telemetry.running.set_function(lambda: self.workers.num_running)
        self.readiness = Readiness(self.catalog)

    def close(self) -> None:
        """Stop generation and jobs; unfinished jobs continue at the next start."""
        self.readiness.close()
        self.catalog.generator.close()
        self.jobs.close()
        self.workers.close()


def _build_jobs(catalog: LibraryCatalog, settings: ServiceSettings, on_end: Callable[[Job], None]) -> Jobs:
    """One queue for all processes where they share a database, else one for those that share the folder."""
    connections = getattr(catalog, "connections", None)
    num_workers = count_workers(settings.job_workers, has_builder=connections is None)
    folder_queue = FolderQueue(catalog.root, num_workers, settings.max_jobs)
    if connections is None:
        return Jobs(catalog, folder_queue, num_workers, on_end)
    from rag.service.jobs.postgres_queue import PostgresQueue

    queue = PostgresQueue(connections, num_workers, settings.max_jobs, lease_s=settings.job_lease_s)
    folder_queue.hand_over(queue)  # earlier versions kept the jobs of a database's libraries in the folder
    return Jobs(catalog, queue, num_workers, on_end)


def _build_rate(catalog: LibraryCatalog, per_minute: int) -> Rate:
    """One count for all processes where they share a database, else one for this process."""
    connections = getattr(catalog, "connections", None)
    if connections is None:
        return RateLimit(per_minute)
    from rag.service.auth.shared_rate import SharedRate

    return SharedRate(connections, per_minute)


def _build_places(catalog: LibraryCatalog, settings: ServiceSettings) -> Places | None:
    """Questions at once of each client over all processes, where they share a database."""
    connections = getattr(catalog, "connections", None)
    if connections is None:
        return None
    from rag.service.auth.shared_places import SharedPlaces

    return SharedPlaces(connections, settings.max_chats_per_client, settings.chat_timeout_s + _LEASE_MARGIN_S)


def _open_catalog(
    settings: ServiceSettings, config: Config, load: Callable[[], Generator], encoder: Encoder | None
) -> LibraryCatalog:
    if settings.database is None:
        return FolderCatalog(settings.root, config, load, encoder, has_tenants=settings.keys is not None)
    try:
        from rag.service.catalog.postgres import PostgresLibraryCatalog
    except ImportError as error:
        raise SettingError(f"libraries in PostgreSQL need {error.name}: pip install 'concord-rag[postgres]'") from error
    return PostgresLibraryCatalog(settings.root, config, load, encoder, database=settings.database)
