"""Which workers build patches at present, and for which model; what a job waits for when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.library.postgres.connections import Connections
from rag.service.postgres import SCHEMA, make_tables

# A worker says that it is there this often; one that has been silent for three times as long is gone.
NOTE_S = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS builders (
    id text PRIMARY KEY,
    host text NOT NULL,
    model text NOT NULL,
    base text NOT NULL,
    device text NOT NULL,
    seen_at timestamptz NOT NULL
);
"""


@dataclass(frozen=True)
class Builder:
    """A worker that builds patches.

    Attributes:
        worker_id: of its process.
        host: where it runs.
        model, base: what the user calls its model, and the model's fingerprint.
        device: what it trains on.
    """

    worker_id: str
    host: str
    model: str
    base: str
    device: str


class Roster:
    """The workers of one database.

    Raises:
        StorageError: the database is out of reach.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        make_tables(connections, _TABLES)

    def note(self, one: Builder) -> None:
        """This worker is there."""
        with self._connections.transaction(SCHEMA) as db:
            db.execute(
                "INSERT INTO builders VALUES (%s, %s, %s, %s, %s, clock_timestamp()) "
                "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
                (one.worker_id, one.host, one.model, one.base, one.device),
            )
            db.execute("DELETE FROM builders WHERE seen_at < clock_timestamp() - interval '1 day'")

    def leave(self, worker_id: str) -> None:
        """This worker is gone."""
        with self._connections.transaction(SCHEMA) as db:
            db.execute("DELETE FROM builders WHERE id = %s", (worker_id,))

    def present(self) -> list[Builder]:
        """The workers that were heard of lately."""
        with self._connections.transaction(SCHEMA) as db:
            rows = db.execute(
                "SELECT id, host, model, base, device FROM builders "
                "WHERE seen_at > clock_timestamp() - make_interval(secs => %s) ORDER BY id",
                (3 * NOTE_S,),
            ).fetchall()
        return [Builder(*row) for row in rows]


def describe_wait(present: Sequence[Builder], model: str, base: str) -> str | None:
    """What a job for a model waits for, in a sentence; ``None`` if a worker can take it.

    Args:
        present: the workers.
        model, base: the model's name and fingerprint; an empty one fits any worker of that name.
    """
    named = [one for one in present if one.model == model]
    if any(base in ("", one.base) for one in named):
        return None
    if not named:
        others = ", ".join(sorted({repr(one.model) for one in present}))
        there = f"; there are workers for {others}" if others else ""
        return f"no worker for model {model!r} is running{there}; start one: concord worker --model {model}"
    found = ", ".join(f"{one.base} on {one.host}" for one in named)
    return (
        f"the workers for {model!r} run another model of that name ({found}) than the service ({base}); give both the "
        "same model"
    )
