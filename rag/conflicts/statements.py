"""Whether two sentences contradict each other, by what they say and without a model.

Both must be asserted. What they share is the frame, what differs are the values: a number, a date, a name, a word. They
contradict each other where the frame takes one value: "the mayor of Selby is", "was opened in", "was built by". A word
more on one side is a detail; two facts about one thing are no contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.conflicts.answers import same_answer
from rag.conflicts.clocks import Clock, compare_clocks
from rag.conflicts.frames import (
    are_antonyms,
    are_rivals,
    names_permanent_role,
    names_role_in_time,
    says_change,
    takes_many,
    takes_one_object,
    takes_one_subject,
)
from rag.conflicts.moments import Moment, compare_moments
from rag.conflicts.quantities import Quantity, compare_quantities
from rag.conflicts.sentences import split_sentences
from rag.conflicts.statement import Statement, Token, Value, read_statement

# A sentence with at least this many shared words and values, which are at least this share of the longer one, is
# another version of the same sentence: whatever was exchanged in it contradicts. Chosen on the first halves of
# the dynamicqa and pairs files.
MIN_SHARED_WORDS = 5
MIN_SHARED = 0.6
# The same for a sentence in which one run of words was exchanged, and whose verb does not take several objects.
MIN_SHARED_EXCHANGE = 4
# Two sentences of two texts are compared if they share this much of the shorter one's content. As above.
MIN_OVERLAP = 0.4
_MAX_SENTENCES = 200

Kind = Literal["value", "negation", "opposite"]


@dataclass(frozen=True)
class Contradiction:
    """Two sentences that cannot both be true.

    Attributes:
        one, other: the sentences.
        left, right: what differs; empty for a negation.
        kind: a different value, a negation, or an opposite word.
        confidence: 0 to 1; not a probability, but higher is surer.
    """

    one: str
    other: str
    left: str
    right: str
    kind: Kind
    confidence: float


@dataclass(frozen=True)
class _Difference:
    """What two statements share and where they differ: runs of tokens, small words left out."""

    num_shared: int
    share: float
    shared: frozenset[str]
    left: tuple[tuple[Token, ...], ...]
    right: tuple[tuple[Token, ...], ...]


def contradict(one: str, other: str) -> Contradiction | None:
    """The contradiction between two sentences, or ``None``. Symmetric up to the order of the parts."""
    a, b = read_statement(one), read_statement(other)
    if a.is_asserted != b.is_asserted or a.is_question or a.modals != b.modals or min(a.verb, b.verb) < 0:
        return None
    difference = _differ(a, b)
    if difference.num_shared < 1 or not (a.is_asserted or _is_version(difference)):
        return None
    if a.is_negated != b.is_negated:
        return _contradict_by_negation(one, other, a, difference)
    pairs = _pair(difference)
    if not pairs or (a.is_negated and not _is_version(difference)):
        return None
    opposite = next((pair for pair in pairs if _is_opposite(pair)), None)
    if opposite and len(pairs) == 1 and difference.num_shared >= 1:
        return _build(one, other, opposite, "opposite", 0.8)
    confidence = _weigh(a, b, difference, pairs)
    return _build(one, other, pairs[0], "value", confidence) if confidence else None


def contradict_texts(one: str, other: str) -> list[Contradiction]:
    """The contradictions between two texts, surest first: each sentence against the most similar ones of the other."""
    lefts, rights = (split_sentences(text)[:_MAX_SENTENCES] for text in (one, other))
    common = set(lefts) & set(rights)
    stems = [frozenset(_content_keys(read_statement(sentence))) for sentence in rights]
    clashes = []
    for left in lefts:
        if left in common:
            continue
        mine = frozenset(_content_keys(read_statement(left)))
        near = sorted(range(len(rights)), key=lambda i: -len(mine & stems[i]) / max(1, len(mine | stems[i])))[:2]
        near = [i for i in near if rights[i] not in common and _overlap(mine, stems[i]) >= MIN_OVERLAP]
        clashes += [clash for i in near if (clash := contradict(left, rights[i]))]
    return sorted(clashes, key=lambda clash: -clash.confidence)


def _weigh(a: Statement, b: Statement, difference: _Difference, pairs: Sequence[_Pair]) -> float:
    """How sure it is that different values contradict; 0 if they do not."""
    is_version = _is_version(difference)
    if a.is_past_state != b.is_past_state and not names_permanent_role(difference.shared):
        return 0.0
    if says_change(difference.shared):
        pairs = [pair for pair in pairs if not _are_moments(pair)] or list(pairs)
    elif len(pairs) > 1 and any(_are_moments(pair) for pair in pairs) and not is_version:
        return 0.0  # at two different times
    is_exchange = _is_exchange(a, b)
    if is_version and (is_exchange or any(_kind(pair[0]) != "word" for pair in pairs)):
        return 0.9 if is_exchange else 0.7
    if is_exchange and difference.num_shared >= MIN_SHARED_EXCHANGE and not takes_many(a.text):
        return 0.7
    if len(pairs) > 1 or difference.num_shared < 2 or not _are_comparable(pairs[0]):
        return 0.0
    if a.is_past_state and names_role_in_time(difference.shared):
        return 0.0
    return 0.8 if _takes_one_value(a, b, pairs[0]) else 0.0


def _is_version(difference: _Difference) -> bool:
    return difference.num_shared >= MIN_SHARED_WORDS and difference.share >= MIN_SHARED


_Pair = tuple[tuple[Token, ...], tuple[Token, ...]]


def _takes_one_value(a: Statement, b: Statement, pair: _Pair) -> bool:
    left, right = pair
    if all(isinstance(run[0].value, Quantity) and (run[0].value.dimension or run[0].value.counted) for run in pair):
        return True
    is_subject = all(run[-1].place < s.verb for run, s in ((left, a), (right, b)))
    if is_subject:
        return takes_one_subject(a.text) and takes_one_subject(b.text)
    is_counted = all(isinstance(run[0].value, Quantity) for run in pair)
    if _kind(left) == "word" and not is_counted:
        words = " ".join(t.key for t in left), " ".join(t.key for t in right)
        return are_rivals(*words) or (takes_one_object(a.text, is_word=True) and takes_one_object(b.text, is_word=True))
    return is_counted or (takes_one_object(a.text) and takes_one_object(b.text))


def _contradict_by_negation(one: str, other: str, a: Statement, difference: _Difference) -> Contradiction | None:
    """The same statement, once denied; the denied one may say less, but not more."""
    denied, affirmed = (difference.left, difference.right) if a.is_negated else (difference.right, difference.left)
    if denied or difference.num_shared < 2 or len(affirmed) > 2:
        return None
    return Contradiction(one, other, "", "", "negation", 0.8 if not affirmed else 0.6)


def _differ(a: Statement, b: Statement) -> _Difference:
    """What is left on each side when equal words and values are taken away, wherever they stand."""
    rest = list(b.content)
    left: list[Token] = []
    shared: list[str] = []
    for token in a.content:
        match = next((other for other in rest if _is_same(token, other)), None)
        if match is None:
            left.append(token)
        else:
            rest.remove(match)
            shared.append(token.stem or token.text)
    num_all = max(len(a.content), len(b.content), 1)
    lefts, rights = _runs(a, left), _runs(b, rest)
    return _Difference(len(shared), len(shared) / num_all, frozenset(shared), lefts, rights)


def _is_same(one: Token, other: Token) -> bool:
    if one.value is None or other.value is None:
        return one.value is other.value is None and one.stem == other.stem
    return _compare_values(one.value, other.value) == "equal"


def _compare_values(one: Value, other: Value) -> str:
    if isinstance(one, Moment) and isinstance(other, Moment):
        return compare_moments(one, other)
    if isinstance(one, Clock) and isinstance(other, Clock):
        return compare_clocks(one, other)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return compare_quantities(one, other)
    return "different"


def _runs(statement: Statement, tokens: Sequence[Token]) -> tuple[tuple[Token, ...], ...]:
    """Tokens that stand together as one run; a run within a name takes the whole name."""
    by_place = {token.place: token for token in statement.tokens}
    places = {token.place for token in tokens}
    for token in tokens:
        for step in (-1, 1):
            place = token.place + step
            while token.is_name and _is_one_name(by_place, place, place - step):
                places.add(place)
                place += step
    runs: list[list[Token]] = []
    for place in sorted(places):
        if runs and _joins(by_place, runs[-1][-1].place, place):
            runs[-1].append(by_place[place])
        else:
            runs.append([by_place[place]])
    return tuple(tuple(run) for run in runs)


def _is_one_name(by_place: Mapping[int, Token], place: int, neighbour: int) -> bool:
    """Whether the name at a place goes on at its neighbour, with no comma between them."""
    if place not in by_place or not by_place[place].is_name:
        return False
    return not by_place[max(place, neighbour)].is_apart


def _joins(by_place: Mapping[int, Token], last: int, place: int) -> bool:
    """Neighbours, or neighbours around "of" and "and"; a date stands alone."""
    if any(isinstance(by_place[i].value, Moment) for i in (last, place)):
        return False
    if by_place[place].is_apart and by_place[place].is_name and by_place[last].is_name:
        return False
    return place == last + 1 or (place == last + 2 and by_place[last + 1].key in ("of", "and", "the", "de"))


def _pair(difference: _Difference) -> list[_Pair]:
    """Runs of both sides that stand for each other and differ; none where one side only says more."""
    lefts, rights = list(difference.left), list(difference.right)
    for left in list(lefts):
        twin = next((right for right in rights if same_answer(_text(left), _text(right)) != "different"), None)
        if twin is not None:
            lefts.remove(left)
            rights.remove(twin)
    pairs = []
    for left in lefts:
        best = next((right for right in rights if _kind(right) == _kind(left)), rights[0] if rights else None)
        if best is None:
            break
        rights.remove(best)
        pairs.append((left, best))
    return pairs


def _kind(run: Sequence[Token]) -> str:
    if any(token.value is not None for token in run):
        return "value"
    return "name" if any(token.is_name for token in run) else "word"


def _are_moments(pair: _Pair) -> bool:
    return all(any(isinstance(token.value, Moment) for token in run) for run in pair)


def _are_comparable(pair: _Pair) -> bool:
    """Two names, two words, or two values of one kind that count the same."""
    left, right = pair
    if _kind(left) != _kind(right):
        return False
    if _kind(left) != "value":
        return True
    one, other = (next(token.value for token in run if token.value is not None) for run in pair)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        is_same_noun = one.counted == other.counted or not one.counted or not other.counted
        return one.dimension == other.dimension and is_same_noun and len(left) == len(right) == 1
    return type(one) is type(other) and len(left) == len(right) == 1


def _is_opposite(pair: _Pair) -> bool:
    left, right = pair
    return len(left) == len(right) == 1 and are_antonyms(left[0].key, right[0].key)


def _is_exchange(a: Statement, b: Statement) -> bool:
    """Whether the sentences are word by word the same but for one run of words."""
    one, other = [t.key or t.text for t in a.tokens], [t.key or t.text for t in b.tokens]
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return max(len(one), len(other)) - start - end <= 6


def _content_keys(statement: Statement) -> list[str]:
    return [token.stem or token.text.lower() for token in statement.content]


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


def _text(run: Sequence[Token]) -> str:
    return " ".join(token.text for token in run)


def _build(one: str, other: str, pair: _Pair, kind: Kind, confidence: float) -> Contradiction:
    return Contradiction(one, other, _text(pair[0]), _text(pair[1]), kind, confidence)
