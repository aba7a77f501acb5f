"""The service's own settings; the engine's are :class:`rag.core.settings.config.Config`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ServiceSettings:
    """How the service runs.

    Attributes:
        root: LIBRARY_DIR; libraries live at ``root/TENANT/LIBRARY``, jobs under ``root/.jobs``; with ``database``, both
            are there.
        keys: file of API keys; ``None`` serves one tenant without keys, on loopback only.
        hosts: names by which requests may reach the service (``Host``); by default any with keys, else this machine's.
        origins: pages of other addresses that may write, such as ``https://papers.example``; by default none.
        max_chats: questions at once (chats and searches), of all clients, in one process; more are refused with 429.
        max_chats_per_client: questions at once, of one key; of all processes together where there is a database.
        requests_per_minute: requests of one key, on average; of all processes together where there is a database.
        job_workers: uploads that are worked on at once; where there are several workers, no tenant has them all.
        max_jobs: jobs of a kind that may wait, of all processes together where there is a database; more are refused
            with 503.
        job_lease_s: with ``database``, a process that is silent for so long has lost the job that it works on.
        chat_timeout_s: longest time for one answer.
        max_body_bytes: largest body of a request.
        max_upload_bytes: largest body of a request that adds documents.
        body_timeout_s: longest wait for a body, seconds; each kilobyte that has come adds one.
        has_texts_in_logs: log questions too; by default no text of users or documents is logged.
        database: ``postgresql://[user[:password]@]host[:port]/DATABASE`` that holds the libraries in place of ``root``.
        traces: file that gets OpenTelemetry spans as JSON; ``None`` uses whatever provider the process has set up.
    """

    root: Path
    keys: Path | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    max_chats: int = 64
    max_chats_per_client: int = 32
    requests_per_minute: int = 1200
    job_workers: int = 2
    max_jobs: int = 1000
    job_lease_s: float = 30.0
    chat_timeout_s: float = 120.0
    max_body_bytes: int = 4_000_000
    max_upload_bytes: int = 50_000_000
    body_timeout_s: float = 30.0
    has_texts_in_logs: bool = False
    traces: Path | None = None
    database: str | None = field(default=None, repr=False)  # it may hold a password
