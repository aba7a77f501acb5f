"""The part of the graph that a question touches, read from the library's index.

1. Candidates: the passages nearest to the question and to each of its clauses, those that the caller found by words,
   and those that hold a name of the question.
2. Seeds: the best candidates, by :func:`retrievers.graph.rank.local_parts`.
3. Neighbours: passages that a name of a seed leads to. Those with the strongest chains are kept.

Together they are a :class:`retrievers.graph.index.GraphIndex` whose counts are those of the whole library. So a passage
in it has the score that a scan of the whole library gives it, unless something outside is a better seed of its chain.

One file of over 300 lines: the steps share one reading of the index, and none is of use without the others.

Shapes: P passages of the neighbourhood, F texts (question and clauses), D vector length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from scipy.sparse import csr_matrix

from kg.extract import NameExtractor
from kg.matrices import GraphMatrices
from kg.names import ngrams
from kg.stems import stems
from rag.core.encoding import Vectors
from rag.core.passages import Passage
from rag.library.base import IMPORTED, Library, RowIds
from rag.library.entry_rows import EntryRows, Ragged
from rag.library.graph_index import Keys
from retrievers.graph.entries import name_key, word_key
from retrievers.graph.index import MAX_QUESTION_WORDS, GraphIndex, Scores
from retrievers.graph.rank import GraphSettings, best_chains, local_parts
from retrievers.graph.store import stored_extractions

_TABLE_SIZE = 2**16


@dataclass(frozen=True)
class Reach:
    """How far a question reaches; bounds its cost in a library of any size.

    Attributes:
        nearest: passages nearest to the question.
        nearest_to_clause: passages nearest to each of its clauses.
        named: passages of one of the question's names; a name in more of them brings none by itself.
        titled: passages with one title.
        neighbours: passages kept for the chains that lead to them.
        counted: a name is counted up to here.
    """

    nearest: int = 200
    nearest_to_clause: int = 100
    named: int = 100
    titled: int = 100
    neighbours: int = 200
    counted: int = 100_000


@dataclass(frozen=True)
class Question:
    """One question to the index.

    Attributes:
        text: as it was asked.
        vectors: ``[F, D]``, of the question (row 0) and its clauses.
        nearest: row ids of the passages nearest to each of them.
        others: row ids found in another way, such as by words.
    """

    text: str
    vectors: Vectors
    nearest: Sequence[int]
    others: Sequence[int] = ()


@dataclass(frozen=True)
class Names:
    """The question's names that some passage holds: by name their key, and by key the number of passages."""

    keys: Mapping[str, int]
    counts: Mapping[int, int]


@dataclass(frozen=True)
class Words:
    """The question's word stems that some passage holds: by stem their key, and by key the number of passages."""

    keys: Mapping[str, int]
    counts: Mapping[int, int]


def read_neighbourhood(
    library: Library, question: Question, settings: GraphSettings, reach: Reach
) -> tuple[GraphIndex, Scores]:
    """The index of what a question touches, and the cosines ``[F, P]`` of its texts with those passages."""
    names = _names_of(library, question.text, reach)
    ids = dict.fromkeys([*question.nearest, *question.others, *_named(library, names, reach)])
    bodies = library.graph_tables().entries(sorted(ids))
    row_ids, vectors = library.vectors_by_id(bodies)
    entries = EntryRows.read([bodies[row_id] for row_id in row_ids.tolist()])
    words, size = _count_words(library, question.text), library.num_passages
    index = _build(library, row_ids, entries, names, words, size)
    cosines = (question.vectors @ vectors.T).astype(np.float64)
    seeds = np.argsort(-_local(index, question, cosines, settings), kind="stable")[: settings.num_seeds]
    neighbours, counts = _neighbours(library, entries, seeds.tolist(), settings, reach)
    new = library.graph_tables().entries(sorted(set(neighbours) - set(bodies)))
    row_ids = np.concatenate([row_ids, np.fromiter(new, dtype=np.int64, count=len(new))])
    entries += EntryRows.read(list(new.values()))
    index = _build(library, row_ids, entries, Names(names.keys, {**counts, **names.counts}), words, size)
    return _with_strongest(library, question, index, cosines, settings, reach)


def _local(index: GraphIndex, question: Question, cosines: Scores, settings: GraphSettings) -> Scores:
    return np.add(*local_parts(index, question.text, cosines, settings))


def _with_strongest(
    library: Library,
    question: Question,
    index: GraphIndex,
    cosines: Scores,
    settings: GraphSettings,
    reach: Reach,
) -> tuple[GraphIndex, Scores]:
    """Cosines of the neighbours with the strongest chains; the others stay far away."""
    num_old, num_all = cosines.shape[1], len(index.row_ids)
    everywhere = np.full((len(cosines), num_all), -1.0)
    everywhere[:, :num_old] = cosines
    local = _local(index, question, everywhere, settings)
    local[num_old:] = -np.inf
    values, _ = best_chains(index, index.coverage(question.text), local, settings)
    strongest = num_old + np.argsort(-values[num_old:], kind="stable")[: reach.neighbours]
    row_ids, vectors = library.vectors_by_id(index.row_ids[strongest].tolist())
    rows = {row_id: row for row, row_id in enumerate(index.row_ids.tolist())}
    if len(row_ids):
        columns = [rows[row_id] for row_id in row_ids.tolist()]
        everywhere[:, columns] = question.vectors @ vectors.T
    return index, everywhere


def _names_of(library: Library, question: str, reach: Reach) -> Names:
    words = " ".join(question.split()[:MAX_QUESTION_WORDS])
    keys = {name: name_key(name) for name in dict.fromkeys(ngrams(words))}
    counts = library.graph_tables().counts(list(dict.fromkeys(keys.values())), reach.counted)
    return Names({name: key for name, key in keys.items() if key in counts}, counts)


def _named(library: Library, names: Names, reach: Reach) -> Iterator[int]:
    """Passages whose title is one of the names, and those of the names that few passages hold."""
    keys = list(dict.fromkeys(names.keys.values()))
    rare = [key for key in keys if names.counts[key] <= reach.named]
    yield from _listed(library, keys, rare, reach.titled, reach.named)


def _listed(
    library: Library, titles: Iterable[int], names: Iterable[int], num_titled: int, num_named: int
) -> list[int]:
    """Row ids of the passages with these titles, at most so many of each, then of those with these names."""
    limits = {~key: num_titled for key in titles} | dict.fromkeys(names, num_named)
    rows: dict[int, list[int]] = {key: [] for key in limits}
    for key, row_id in library.graph_tables().postings(list(limits), max(num_titled, num_named)):
        rows[key].append(row_id)
    return [row_id for key, limit in limits.items() for row_id in rows[key][:limit]]


def _neighbours(
    library: Library, entries: EntryRows, seeds: Sequence[int], settings: GraphSettings, reach: Reach
) -> tuple[list[int], dict[int, int]]:
    """Row ids that a name of a seed leads to, and the numbers of passages of those names."""
    tables = library.graph_tables()
    mentioned = {key for seed in seeds for key in entries.mentions[seed].tolist()}
    named = sorted(mentioned.union(*(entries.titles[seed].tolist() for seed in seeds)))
    counts = tables.counts(named, settings.max_shared + 1)
    shared = [key for key, count in counts.items() if 1 < count <= settings.max_shared]
    # A title that one passage alone holds is that of the seed.
    mentions = sorted(key for key in mentioned if counts.get(key, 0) > 1)
    return list(dict.fromkeys(_listed(library, mentions, shared, reach.titled, settings.max_shared))), counts


def _count_words(library: Library, question: str) -> Words:
    stemmed = stems(" ".join(question.split()[:MAX_QUESTION_WORDS]))
    keys = {stem: word_key(stem) for stem in dict.fromkeys(stemmed)}
    counts = library.graph_tables().word_counts(list(dict.fromkeys(keys.values())))
    return Words({stem: key for stem, key in keys.items() if key in counts}, counts)


def _build(library: Library, row_ids: RowIds, entries: EntryRows, names: Names, words: Words, size: int) -> GraphIndex:
    """The index of these passages of a library of ``size``.

    Of names it has those that are counted, since no other can link anything.
    """
    passages = PassageRows(library, row_ids.tolist())
    known, counts = _sorted_counts(words.counts)
    matrices = _build_matrices(entries, passages, names, size)
    return GraphIndex(
        passages,
        np.zeros((len(row_ids), 0), np.float32),
        matrices,
        _build_rows(known, entries.words).tocsc(),
        {stem: int(np.searchsorted(known, key)) for stem, key in words.keys.items()},
        np.log1p(size / (1 + counts)),
        row_ids,
    )


def _build_matrices(entries: EntryRows, passages: PassageRows, names: Names, size: int) -> NeighbourhoodMatrices:
    keys, counts = _sorted_counts(names.counts)
    return NeighbourhoodMatrices(
        (),
        {name: int(np.searchsorted(keys, key)) for name, key in names.keys.items()},
        _build_rows(keys, entries.mentions),
        _build_rows(keys, entries.titles),
        csr_matrix((len(keys), len(keys))),
        keys=keys,
        counts=counts,
        size=size,
        passages=passages,
    )


def _sorted_counts(counts: Mapping[int, int]) -> tuple[Keys, Scores]:
    keys = np.array(sorted(counts), dtype=np.int64)
    return keys, np.array([counts[key] for key in keys.tolist()], dtype=np.float64)


def _build_rows(keys: Keys, rows: Ragged) -> csr_matrix:
    """``[N, len(keys)]`` of ones where a row holds a key; ``keys`` are ascending."""
    held = rows.values
    # Few of the numbers are among the keys: a table by their last bits tells most of the others apart at once.
    has_bits = np.zeros(_TABLE_SIZE, dtype=bool)
    has_bits[keys & (_TABLE_SIZE - 1)] = True
    likely = np.flatnonzero(has_bits[held & (_TABLE_SIZE - 1)])
    columns = np.searchsorted(keys, held[likely])
    is_known = keys[np.minimum(columns, len(keys) - 1)] == held[likely] if len(keys) else np.zeros(0, dtype=bool)
    columns, known = columns[is_known], likely[is_known]
    ends = np.searchsorted(known, rows.ends)
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows.ends) - 1, len(keys)))


class PassageRows(Sequence[Passage]):
    """The passages of a neighbourhood, read when they are looked at: few of them are."""

    def __init__(self, library: Library, row_ids: Sequence[int]) -> None:
        self._library = library
        self._row_ids = row_ids
        self._read: dict[int, Passage] = {}

    def __len__(self) -> int:
        return len(self._row_ids)

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | Sequence[Passage]:
        """The passage at ``row``.

        Raises:
            KeyError: it was removed since.
        """
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        self.present([row])
        return self._read[self._row_ids[row]]

    def present(self, rows: Sequence[int]) -> list[int]:
        """Those of ``rows`` that the library still has; they are read together."""
        new = [row_id for row in rows if (row_id := self._row_ids[row]) not in self._read]
        if new:
            self._read.update(self._library.passages(new))
        return [row for row in rows if self._row_ids[row] in self._read]

    def names(self, row: int) -> dict[int, str]:
        """Names in the passage at ``row``, by key: the index holds keys alone."""
        if not self.present([row]):
            return {}
        passage, row_id = self[row], self._row_ids[row]
        extractions = [
            *NameExtractor().extract([passage]),
            *stored_extractions(self._library, IMPORTED, {row_id: passage}).values(),
        ]
        return {name_key(mention.entity): mention.entity for item in extractions for mention in item.mentions}


@dataclass(frozen=True)
class NeighbourhoodMatrices(GraphMatrices):
    """A graph whose entities are keys, and whose counts are those of the whole library.

    Attributes:
        keys: ``[E]``, ascending.
        counts: ``[E]``, number of passages of the library that name each entity.
        size: passages of the library.
        passages: for the names.
    """

    keys: Keys
    counts: Scores
    size: int
    passages: PassageRows

    @property
    def num_passages(self) -> int:
        """Passages of the library."""
        return self.size

    @property
    def passage_counts(self) -> Scores:
        """``[E]``, number of passages of the library that name each entity."""
        return self.counts

    def names(self, columns: Sequence[int], row: int) -> list[str]:
        """Names of entities that the passage at ``row`` names."""
        names = self.passages.names(row)
        return [names.get(int(self.keys[column]), "") for column in columns]
