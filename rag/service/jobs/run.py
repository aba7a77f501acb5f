"""Working on one job that this process holds: attempts, progress, and how it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Event

from rag.core.errors import ConcordError, UnavailableError
from rag.service.jobs.attempts import MAX_KILLS
from rag.service.jobs.store import HeldJob
from rag.service.jobs.work import JobCancelledError, JobKilledError, JobProgress
from rag.service.problems import Problem
from rag.service.schemas import Job

logger = logging.getLogger("rag.service")
# What a job does: given its progress, the fields of its end.
Work = Callable[[HeldJob, JobProgress], dict[str, object]]
# A job that was laid aside, since a model or a server did not answer, has its next turn after so long.
_LAID_ASIDE_S = 30.0
_MAX_NAMED = 3
# A file may be what ends the process that reads it. What ends a worker that trains is more often outside of it.
_MAX_KILLS = {"patches": 5}


def run_job(held: HeldJob, work: Work, is_stopping: Event) -> Job | None:
    """Work on a job and let go of it.

    Args:
        held: the job.
        work: what is done for it.
        is_stopping: set when the process is to end; the job is laid aside at its next document then.

    Returns:
        The job as it ended; ``None`` if it was laid aside, or taken over by another process.
    """
    ended = None
    try:
        ended = _attempt(held, work, is_stopping)
    except Exception:  # a worker must outlive whatever its job does
        logger.exception("job %s", held.job.id)
    finally:
        with suppress(ConcordError):  # out of reach: its lease ends by itself
            held.release(0.0 if is_stopping.is_set() else _LAID_ASIDE_S)
    return ended


def _attempt(held: HeldJob, work: Work, is_stopping: Event) -> Job | None:
    held.attempts.begin(held.job.num_done)
    try:
        ended = _do(held, work, is_stopping)
    except UnavailableError as error:
        logger.warning("job %s was laid aside: %s", held.job.id, error)
        with suppress(UnavailableError):  # it is another process's already
            held.attempts.end()
        return None
    except JobCancelledError as error:
        ended = held.job.model_copy(update={"status": "cancelled", "error": str(error)})
    except (ConcordError, Problem) as error:
        ended = held.job.model_copy(update={"status": "failed", "error": str(error)})
    except Exception:  # parsers and models are foreign code; the next job must have its turn
        logger.exception("job %s", held.job.id)
        ended = held.job.model_copy(update={"status": "failed", "error": "the service failed; its log has the reason"})
    held.end(ended)
    held.attempts.end()
    return ended


def _do(held: HeldJob, work: Work, is_stopping: Event) -> Job:
    """The job, done."""
    if held.is_cancelled():
        raise JobCancelledError("it was cancelled before it began")
    max_kills = _MAX_KILLS.get(held.job.kind, MAX_KILLS)
    if held.attempts.is_dead(max_kills=max_kills):
        names = _describe(held) or held.job.library
        raise JobKilledError(f"{names}: it ended its process {max_kills} times; send it in parts, or leave it out")
    progress = JobProgress(held, is_stopping)
    fields = work(held, progress)
    return progress.job.model_copy(update={**fields, "num_done": progress.job.num_sources})


def _describe(held: HeldJob) -> str:
    names = [item["name"] for item in held.about.get("items", ())] or held.about.get("doc_ids", [])
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
