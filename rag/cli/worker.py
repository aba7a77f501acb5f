"""``concord worker``: patches of libraries in PostgreSQL."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli import options as opt
from rag.cli.common import err, errors_to_exit, say
from rag.core.errors import SettingError

if TYPE_CHECKING:
    from rag.service.schemas import Job

DatabaseAddress = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="CONCORD_DATABASE",
        help="postgresql://[USER@]HOST/DATABASE that holds the libraries.",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu or cuda.", show_default=False, rich_help_panel=opt.MODEL_PANEL),
]


def worker(
    database: DatabaseAddress = None,
    is_draining: Annotated[
        bool, typer.Option("--drain", help="End as soon as no build waits for this worker's model.")
    ] = False,
    model: opt.ModelName = None,
    device: Device = None,
    config: opt.SettingsFile = None,
) -> None:
    """Build patches for services whose libraries are in PostgreSQL.

    The services only queue builds; start as many workers as there are machines for them. Each takes the builds that
    name its model, and saves every patch as soon as it is trained. If a worker is killed, another one goes on with its
    build after half a minute.
    """
    from rag.core.settings.config import Config

    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    with errors_to_exit():
        if database is None:
            raise SettingError("a worker needs a database; give --database postgresql://HOST/DATABASE, the services'")
        _run(database, Config.load(config, model=model, device=device, engine="transformers"), is_draining=is_draining)


def _run(database: str, config: Any, *, is_draining: bool) -> None:
    from rag.generation.load import load_generator

    try:
        from rag.service.jobs.worker import PatchWorker
    except ImportError as error:
        raise SettingError(f"libraries in PostgreSQL need {error.name}: pip install 'concord-rag[postgres]'") from error
    with err.status("loading the model ..."):
        worker = PatchWorker(database, config, lambda: load_generator(config))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    about = worker.about
    say(f"worker on {about.host}: model {about.model!r} ({about.base}) on {about.device}; waiting for builds")
    try:
        worker.run(_report, is_draining=is_draining)
    finally:
        worker.close()


def _report(job: Job) -> None:
    if job.patch_report is None:
        say(f"{job.library}: {job.status}: {job.error}", "red")
        return
    report = job.patch_report
    say(f"{job.library}: {len(report.built)} built, {len(report.skipped)} were there, {len(report.failed)} failed")
