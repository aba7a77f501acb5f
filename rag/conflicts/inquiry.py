"""One question's inquiry: what is asked beside the answer, and the verdict that the replies make.

:class:`Inquirer` asks the passages (:mod:`rag.conflicts.reading.reader`) and the model's memory
(:mod:`rag.conflicts.memory.recall`), and judges what they say (:mod:`rag.conflicts.verdict.judge`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

from rag.conflicts.memory.calibration import Calibration, knows
from rag.conflicts.memory.recall import memory_requests, read_memory
from rag.conflicts.reading.corroborate import corroborate, keep_agreeing
from rag.conflicts.reading.merge import merge_readings
from rag.conflicts.reading.reader import Reader, Sheet
from rag.conflicts.reading.relevance import MIN_SHARE, MIN_SHARE_OF_SKILL, silence_strays
from rag.conflicts.reading.skill_reader import SkillReader, complete, read_reply
from rag.conflicts.reading.weigh import likely_spans, settle
from rag.conflicts.values.dates import document_date, statement_date
from rag.conflicts.verdict.assumptions import find_assumption
from rag.conflicts.verdict.copies import find_copies
from rag.conflicts.verdict.grouping import group_readings
from rag.conflicts.verdict.judge import Evidence, judge
from rag.conflicts.verdict.memory import relate_memory
from rag.core.passages import Passage
from rag.core.verdict import Memory, Position, ReadBy, Reading, Verdict
from rag.generation.base import Generation, Generator
from rag.generation.request import ActiveSkill, Request


@dataclass(frozen=True)
class Inquiry:
    """What is asked beside one answer.

    Attributes:
        sheet: the question and its passages.
        memory: what asks the model's memory; empty where it is not asked.
    """

    sheet: Sheet
    memory: tuple[Request, ...] = ()

    @property
    def requests(self) -> tuple[Request, ...]:
        """All of it, passages first."""
        return (*self.sheet.requests, *self.memory)


@dataclass(frozen=True)
class Inquirer:
    """Asks and judges.

    Attributes:
        reader: reads passages.
        generator: whose memory is asked.
        calibration: gives that model's calibration; ``None`` if it has none. Called for the first verdict.
    """

    reader: Reader
    generator: Generator
    calibration: Callable[[], Calibration | None]

    def prepare(
        self,
        questions: Sequence[str],
        passages: Sequence[Sequence[Passage]],
        cache_salt: str = "",
        skill: ActiveSkill | None = None,
        read_by: ReadBy = "both",
        excerpts: Sequence[Sequence[Passage]] | None = None,
    ) -> list[Inquiry]:
        """One inquiry for each question, in their order; without a skill the encoder reads the passages alone.

        Args:
            questions: as they stand without the conversation.
            passages: of each question.
            cache_salt: of the requests.
            skill: reads each passage alone.
            read_by: what reads them.
            excerpts: what a skill reads instead of the passages, aligned with them. What it answers is looked for in
                the passages.
        """
        shown = passages if excerpts is None else excerpts
        if skill is None or read_by == "encoder":
            sheets = self.reader.prepare(questions, passages, cache_salt=cache_salt)
        elif read_by == "both":
            read = self.reader.prepare(questions, passages)
            sheets = [self._with_skill(*pair, cache_salt, skill) for pair in zip(read, shown, strict=True)]
        else:
            sheets = [
                self._with_skill(Sheet(question, tuple(row), ()), excerpt, cache_salt, skill)
                for question, row, excerpt in zip(questions, passages, shown, strict=True)
            ]
        return [
            Inquiry(sheet, tuple(memory_requests(self.generator, sheet.question, cache_salt=cache_salt)))
            for sheet in sheets
        ]

    def conclude(self, inquiry: Inquiry, replies: Sequence[Generation], draft: str = "") -> Verdict:
        """The verdict from the replies to ``inquiry.requests``, in their order, and from the answer's draft."""
        sheet, num_read = inquiry.sheet, len(inquiry.sheet.requests)
        min_share = MIN_SHARE_OF_SKILL if sheet.skill else MIN_SHARE
        read = self._read(sheet, replies[:num_read], draft)
        kept = silence_strays(read, sheet.question, sheet.passages, min_share)
        agreed = keep_agreeing(sheet.question, read, kept)
        if sheet.pages:
            agreed = corroborate(sheet.question, agreed, sheet.pages, sheet.supported)
        readings = [_with_date(reading, sheet) for reading in agreed]
        texts = {passage.passage_id: passage.text for passage in sheet.passages}
        grouped = group_readings(readings, sheet.question, copies=find_copies(texts))
        positions = tuple(_with_whole_answer(position, sheet.question) for position in grouped)
        memory = self._recall(sheet.question, replies[num_read:], positions)
        assumption = find_assumption(sheet.question)
        claim = assumption.claim if assumption else ""
        return judge(Evidence(sheet.question, positions, memory, claim, texts))

    def _with_skill(self, sheet: Sheet, shown: Sequence[Passage], cache_salt: str, skill: ActiveSkill) -> Sheet:
        """The sheet with one request to the skill for each passage that may answer, about what is shown of it.

        Where only one may answer, its likeliest spans follow as replies to the same prompt. Of several passages the
        skill's own replies are better compared: it words one answer in one way, and spans differ in what they include.
        """
        skill_reader, asked = SkillReader(self.generator, skill), sheet.may_answer
        chosen = tuple(compress(shown, asked))
        requests = skill_reader.requests(sheet.question, chosen, cache_salt=cache_salt)
        sheet = replace(sheet, requests=requests, counts=tuple(map(int, asked)), skill=skill)
        if not sheet.pages or len(requests) != 1:
            return sheet
        page = sheet.pages[asked.index(True)]
        places = likely_spans(sheet.question, page)
        texts = [page.candidates[place][0].text for place in places]
        return replace(sheet, requests=skill_reader.weigh(requests[0], texts), weighed=places)

    def _read(self, sheet: Sheet, replies: Sequence[Generation], draft: str) -> tuple[Reading, ...]:
        """What each passage answers, by what the sheet was prepared for."""
        if sheet.skill is None:
            return self.reader.read(sheet, replies, draft)
        remaining = iter(replies)
        by_skill = [
            read_reply(sheet.question, passage, next(remaining) if count else None)
            for passage, count in zip(sheet.passages, sheet.counts, strict=True)
        ]
        if not sheet.pages:
            return tuple(by_skill)
        merged = merge_readings(by_skill, self.reader.read(sheet, replies))
        if not sheet.weighed:
            return merged
        only = sheet.counts.index(1)
        reply = replies[0] if by_skill[only].answer else None
        settled = settle(sheet.question, sheet.pages[only], merged[only], reply, sheet.weighed, list(remaining))
        return (*merged[:only], settled, *merged[only + 1 :])

    def _recall(self, question: str, replies: Sequence[Generation], positions: Sequence[Position]) -> Memory | None:
        if not replies:
            return None
        recall, calibration = read_memory(question, replies), self.calibration()
        chance, is_calibrated = knows(recall, calibration), calibration is not None
        return relate_memory(recall.answer, chance, positions, question, is_calibrated=is_calibrated)


def _with_whole_answer(position: Position, question: str) -> Position:
    """With the date or number as its sentence gives it; the readings keep their own wording."""
    quote = next(reading.quote for reading in position.readings if reading.answer)
    return replace(position, answer=complete(question, position.answer, quote))


def _with_date(reading: Reading, sheet: Sheet) -> Reading:
    """With the date of its statement, else of its document."""
    passage = next(passage for passage in sheet.passages if passage.passage_id == reading.passage_id)
    document = document_date(passage.date, passage.source, passage.text if passage.start == 0 else "")
    return replace(reading, date=statement_date(reading.quote, document, reading.answer))
