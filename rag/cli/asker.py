"""Who answers ``concord ask``: an engine of this process, or a running service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rag.cli.common import counting_bar, errors_to_exit, open_engine, say, without_none
from rag.core.answer import Answer, TokenEvent
from rag.core.errors import SettingError, StorageError

if TYPE_CHECKING:
    from rag.client import Client
    from rag.core.settings.config import Config
    from rag.engine import Engine


class Asker(Protocol):
    """What ``ask`` needs; an engine and a client both have it."""

    def ask(self, question: str, **options: Any) -> Answer:
        """The answer."""
        ...

    def stream(self, question: str, **options: Any) -> Iterator[TokenEvent | Answer]:
        """The answer's pieces as they come, then the answer."""
        ...


@contextmanager
def open_asker(library: str, service: str, config: Path | None, **settings: Any) -> Iterator[Asker]:
    """The service that ``service`` names or that serves this library, else an engine."""
    with errors_to_exit():
        client = _find_client(library, service, config, settings)
    if client is not None:
        with errors_to_exit(), client:
            yield client
        return
    with open_engine(library, config, **settings) as engine:
        _prepare_model(engine.config)
        _prepare_index(engine)
        yield engine


def _find_client(library: str, service: str, config: Path | None, settings: dict[str, Any]) -> Client | None:
    from rag.client import Client
    from rag.library.open import is_address
    from rag.service.names import name_from_folder

    key = os.environ.get("CONCORD_API_KEY")
    if service.startswith(("http://", "https://")):
        return Client(service, library=name_from_folder(Path(library).name), api_key=key)
    if service not in ("auto", "off"):
        raise SettingError(f"--service {service!r}; expected auto, off, or http://HOST:PORT of a 'concord serve'")
    if service == "off" or is_address(library) or _has_own_settings(config, settings):
        return None
    return _find_running(Path(library), key)


def _has_own_settings(config: Path | None, settings: dict[str, Any]) -> bool:
    """A service has its own settings; whoever sets something here wants an engine with that."""
    from rag.core.settings.config import Config

    return config is not None or bool(without_none(settings)) or Config.load() != Config.model_validate({})


def _find_running(library: Path, key: str | None) -> Client | None:
    from rag.client import Client
    from rag.client.discovery import find_service
    from rag.service.names import name_from_folder

    service = find_service(library)
    if service is None or (service.has_keys and not key):
        return None
    say(f"asking the service at {service.url}; --service off asks without it", "dim")
    return Client(service.url, library=name_from_folder(library.resolve().name), api_key=key)


def _prepare_index(engine: Engine) -> None:
    """Index a library of an earlier version now, with a bar; the same would happen unseen with the first question.

    A library that cannot be written to is left as it is: it answers without an index.
    """
    with suppress(StorageError), counting_bar("indexing names, once") as report:
        engine.graph.indexer.update(report)


def _prepare_model(config: Config) -> None:
    """Fetch or convert the model now: that has its own bar, which no spinner may overwrite."""
    from rag.models.resolve import resolve_generator

    if not config.engine.startswith(("http://", "https://")):
        resolve_generator(config)
