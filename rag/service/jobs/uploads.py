"""The uploads of a job as sources of an ``add``."""

from __future__ import annotations

from collections.abc import Sequence

from rag.core.errors import SourceError
from rag.ingest.parts import source_from_parts
from rag.ingest.source import Part, Source
from rag.service.jobs.store import HeldJob


def upload_sources(held: HeldJob) -> list[Source]:
    """The uploads of a job as sources. Texts of one source are parts of one document."""
    groups: dict[str, list[int]] = {}
    for number, item in enumerate(held.about["items"]):
        groups.setdefault(item["name"], []).append(number)
    return [_build_source(held, group) for group in groups.values()]


def _build_source(held: HeldJob, numbers: Sequence[int]) -> Source:
    sources = [_upload_source(held, number) for number in numbers]
    items = [held.about["items"][number] for number in numbers]
    if len(sources) == 1 and not items[0].get("is_text"):
        return sources[0]
    parts = [
        Part(source.read().decode(), item.get("location", "")) for source, item in zip(sources, items, strict=True)
    ]
    return source_from_parts(sources[0].name, parts, next((s.title for s in sources if s.title), ""))


def _upload_source(held: HeldJob, number: int) -> Source:
    """One upload; one that has ended the process before is not read again."""

    def read() -> bytes:
        if held.attempts.is_dead(str(number)):
            raise SourceError("it ended the service twice while it was read; leave it out, or save it in another form")
        held.attempts.look_at(str(number))
        return held.read_upload(number)

    item = held.about["items"][number]
    return Source(item["name"], read, item["suffix"], item["title"])
