"""From a document's blocks to passages.

A passage is a run of neighbouring sentences, rows or items, as many as fit. It ends where a heading, a page, a slide or
a sheet begins. Its length counts in the encoder's own tokens, with the title and the headings that are embedded with
it, so that the encoder reads all of it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from rag.core.encoding import HEADING_SEPARATOR, passage_text
from rag.core.errors import SettingError
from rag.core.passages import Passage
from rag.core.settings.config import Config
from rag.core.tokens import TokenReader
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.places import Section, counts_lines, find_sections, join_locations, move_lines
from rag.ingest.source import Source
from rag.ingest.units import Unit, cut_blocks

# Raise it when the same document gives other passages: unchanged files are then read again when they are added again.
VERSION = 3
# Longer passages dilute what they say, even where an encoder reads more.
_AUTO_TOKENS = 256
_BATCH = 256
# Fewer tokens than this go on under the next heading.
_MIN_TOKENS = 12
_MAX_TITLE_CHARS = 300
_TIGHT = frozenset(("row", "item", "code"))


@dataclass(frozen=True)
class Lengths:
    """How long passages are, in tokens of ``reader``.

    Attributes:
        max_tokens: most tokens of a passage with its title and headings.
        num_overlap: most tokens of whole sentences that are repeated at the beginning of the next passage.
    """

    max_tokens: int
    num_overlap: int

    @classmethod
    def resolve(cls, config: Config, reader: TokenReader, encoder: str) -> Lengths:
        """The lengths that ``config`` asks for.

        Raises:
            SettingError: longer than the encoder reads.
        """
        wanted = config.chunk_tokens
        if wanted == "auto":
            longest = min(reader.max_tokens, _AUTO_TOKENS)
            return cls(longest, min(config.chunk_overlap_tokens, longest // 2))
        if wanted > reader.max_tokens:
            raise SettingError(
                f"chunk_tokens={wanted}, but the encoder {encoder!r} reads {reader.max_tokens} tokens; "
                f"set at most {reader.max_tokens}, or 'auto'"
            )
        return cls(wanted, config.chunk_overlap_tokens)


def split(source: Source, document: ParsedDocument, lengths: Lengths, reader: TokenReader) -> list[Passage]:
    """The passages of a document, in order. ``start`` counts in the text that :func:`join_blocks` makes of it."""
    title = _shorten(document.title, reader, lengths.max_tokens // 4)
    margin = 0
    while True:
        passages = list(_Splitter(source, document, title, lengths, reader, margin).passages())
        excess = _excess(passages, lengths.max_tokens, reader)
        # A tokenizer that reads across blanks counts a passage otherwise than its sentences: by a token or two.
        if excess <= 0 or margin + excess > lengths.max_tokens // 2:
            return passages
        margin += excess


def join_blocks(blocks: Sequence[Block]) -> tuple[str, list[int]]:
    """The text of a document, and where each block starts in it."""
    parts, starts, position = [], [], 0
    for index, block in enumerate(blocks):
        if index:
            is_tight = block.kind == blocks[index - 1].kind and block.kind in _TIGHT
            parts.append("\n" if is_tight else "\n\n")
            position += len(parts[-1])
        starts.append(position)
        parts.append(block.text)
        position += len(block.text)
    return "".join(parts), starts


class _Splitter:
    def __init__(
        self,
        source: Source,
        document: ParsedDocument,
        title: str,
        lengths: Lengths,
        reader: TokenReader,
        margin: int,
    ) -> None:
        self._source, self._document, self._title = source, document, title
        self._lengths, self._reader = lengths, reader
        self._blocks = document.blocks
        self._text, self._starts = join_blocks(document.blocks)
        self._lines: tuple[int, list[int]] = -1, []  # ends of lines in one block: a long one gives many passages
        self._sections = self._shorten_headings(find_sections(document.blocks, title))
        budgets = self._budgets(lengths.max_tokens - margin)
        self._budgets_by_block = [budgets[section.heading] for section in self._sections]

    def passages(self) -> Iterator[Passage]:
        """All passages, in order."""
        units = cut_blocks(self._blocks, self._budgets_by_block, self._reader)
        for ordinal, packed in enumerate(self._pack(units)):
            yield self._passage(ordinal, packed)

    def _shorten_headings(self, sections: Sequence[Section]) -> list[Section]:
        """The sections with headings that leave room for text; the outermost go first."""
        most = self._lengths.max_tokens // 4
        short: dict[str, str] = {}
        for heading in dict.fromkeys(section.heading for section in sections):
            parts = heading.split(HEADING_SEPARATOR)
            while len(parts) > 1 and len(self._reader.read([HEADING_SEPARATOR.join(parts)])[0].starts) > most:
                del parts[0]
            short[heading] = _shorten(HEADING_SEPARATOR.join(parts), self._reader, most)
        return [replace(section, heading=short[section.heading]) for section in sections]

    def _budgets(self, max_tokens: int) -> dict[str, int]:
        """Tokens that are left for text under each heading."""
        headings = list(dict.fromkeys(section.heading for section in self._sections))
        prefixes = self._reader.read([passage_text(self._title, "", heading) for heading in headings])
        return {
            heading: max(max_tokens - len(prefix.starts), 1) for heading, prefix in zip(headings, prefixes, strict=True)
        }

    def _pack(self, units: Iterable[Unit]) -> Iterator[list[Unit]]:
        """Units that make up one passage each, as many as fit."""
        packed: list[Unit] = []
        for unit in units:
            if packed and self._is_boundary(packed, unit):
                yield packed
                packed = []
            if packed and _num_tokens(packed) + unit.num_tokens > self._budgets_by_block[unit.block]:
                yield packed
                packed = self._overlap(packed, unit)
            packed.append(unit)
        if packed:
            yield packed

    def _is_boundary(self, packed: Sequence[Unit], unit: Unit) -> bool:
        """Whether another heading, page, slide or sheet begins. Headings stay with what follows them."""
        last = packed[-1].block
        are_headings = [self._blocks[one.block].kind == "heading" for one in packed]
        if unit.block == last or all(are_headings):
            return False
        is_same_container = self._sections[unit.block].container == self._sections[last].container
        is_above = is_same_container and not self._sections[last].heading
        if is_above and not any(are_headings) and _num_tokens(packed) < _MIN_TOKENS:
            return False  # a line above the title, such as the name of a site, is no passage of its own
        return self._sections[unit.block] != self._sections[last] or self._blocks[unit.block].kind == "heading"

    def _overlap(self, packed: Sequence[Unit], following: Unit) -> list[Unit]:
        """The last sentences of a passage that fit before ``following``, within the overlap."""
        room = min(self._lengths.num_overlap, self._budgets_by_block[following.block] - following.num_tokens)
        repeated: list[Unit] = []
        for unit in reversed(packed[1:]):
            room -= unit.num_tokens
            if room < 0 or self._blocks[unit.block].kind != "paragraph":
                break
            repeated.insert(0, unit)
        return repeated

    def _passage(self, ordinal: int, packed: Sequence[Unit]) -> Passage:
        first, last = packed[0], packed[-1]
        start, end = self._starts[first.block] + first.start, self._starts[last.block] + last.end
        source = self._source
        return Passage(
            passage_id=f"{source.doc_id}:{ordinal}",
            doc_id=source.doc_id,
            source=source.name,
            title=self._title,
            text=self._text[start:end],
            start=start,
            location=join_locations(self._location(first.block, first.start), self._location(last.block, last.end)),
            heading=self._sections[last.block].heading,
            date=self._document.date,
        )

    def _location(self, block: int, offset: int) -> str:
        """The location of an offset in a block; lines are counted on from the block's first."""
        location = self._blocks[block].location
        if not counts_lines(location):
            return location
        if self._lines[0] != block:
            text = self._blocks[block].text
            self._lines = block, [match.start() for match in re.finditer("\n", text)]
        return move_lines(location, bisect_left(self._lines[1], offset))


def _num_tokens(packed: Sequence[Unit]) -> int:
    return sum(unit.num_tokens for unit in packed)


def _excess(passages: Sequence[Passage], max_tokens: int, reader: TokenReader) -> int:
    """By how many tokens the longest passage, with its title and headings, is too long."""
    texts = (passage_text(passage.title, passage.text, passage.heading) for passage in passages)
    longest = 0
    while batch := list(islice(texts, _BATCH)):
        longest = max(longest, *(len(tokens.starts) for tokens in reader.read(batch)))
    return longest - max_tokens


def _shorten(title: str, reader: TokenReader, num_tokens: int) -> str:
    """A title of at most ``num_tokens`` tokens, so that it leaves room for text."""
    starts = reader.read([title])[0].starts
    title = title if len(starts) <= num_tokens else title[: starts[num_tokens - 1]].rstrip() + "…"
    return title if len(title) <= _MAX_TITLE_CHARS else title[: _MAX_TITLE_CHARS - 1].rstrip() + "…"
