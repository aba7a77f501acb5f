"""What two statements share, and where they differ: runs of words and values that stand for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.conflicts.answers.same import same_answer
from rag.conflicts.statements.statement import Statement, Token, Value
from rag.conflicts.values.clocks import Clock, compare_clocks
from rag.conflicts.values.moments import Moment, compare_moments
from rag.conflicts.values.quantities import Quantity, compare_quantities

# A sentence with at least this many shared words and values, which are at least this share of the longer one, is
# another version of the same sentence: whatever was exchanged in it contradicts. Chosen on the first halves of
# the dynamicqa and pairs files.
MIN_SHARED_WORDS = 5
MIN_SHARED = 0.6
# Two sentences of two texts are compared if they share this much of the shorter one's content. As above.
MIN_OVERLAP = 0.4

Run = tuple[Token, ...]
Pair = tuple[Run, Run]


@dataclass(frozen=True)
class Difference:
    """Two statements, taken apart.

    Attributes:
        num_shared: words and values that both hold.
        share: of those in the longer statement, 0 to 1.
        shared: their stems.
        shares_name: a name is among them.
        left, right: runs that only one of them holds, small words left out; a run within a name takes the whole name.
        pairs: runs that stand for each other and differ.
        left_only, right_only: runs that nothing on the other side stands for.
    """

    num_shared: int
    share: float
    shared: frozenset[str]
    shares_name: bool
    left: tuple[Run, ...]
    right: tuple[Run, ...]
    pairs: tuple[Pair, ...]
    left_only: tuple[Run, ...]
    right_only: tuple[Run, ...]

    @property
    def is_version(self) -> bool:
        """Whether they are two versions of one sentence."""
        return are_versions(self.num_shared, self.share)


def are_versions(num_shared: int, share: float) -> bool:
    """Whether two statements with so many shared words, and such a share of them, are versions of one sentence."""
    return num_shared >= MIN_SHARED_WORDS and share >= MIN_SHARED


def find_difference(a: Statement, b: Statement) -> Difference:
    """What is left on each side when equal words and values are taken away, wherever they stand."""
    rest = list(b.content)
    mine: list[Token] = []
    shared: list[Token] = []
    for token in a.content:
        match = next((other for other in rest if _is_same(token, other)), None)
        if match is None:
            mine.append(token)
        else:
            rest.remove(match)
            shared.append(token)
    share = len(shared) / max(len(a.content), len(b.content), 1)
    left, right = _runs(a, mine), _runs(b, rest)
    stems = frozenset(token.stem or token.text for token in shared)
    frame = frozenset() if are_versions(len(shared), share) else stems
    pairs, left_only, right_only = _pair(left, right, frame)
    shares_name = any(token.is_name for token in shared)
    return Difference(len(shared), share, stems, shares_name, left, right, pairs, left_only, right_only)


def name_kind(run: Run) -> str:
    """``value``, ``name`` or ``word``."""
    if any(token.value is not None for token in run):
        return "value"
    return "name" if any(token.is_name for token in run) else "word"


def are_moments(pair: Pair) -> bool:
    """Two dates."""
    return all(any(isinstance(token.value, Moment) for token in run) for run in pair)


def are_comparable(pair: Pair) -> bool:
    """Two names, two words, or two values of one kind that count the same."""
    left, right = pair
    if name_kind(left) != name_kind(right):
        return _may_be_name(left) and _may_be_name(right)
    if name_kind(left) != "value":
        return True
    if len(left) != 1 or len(right) != 1:
        return False
    one, other = left[0].value, right[0].value
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        is_same_noun = one.counted == other.counted or not one.counted or not other.counted
        return one.dimension == other.dimension and is_same_noun
    return type(one) is type(other)


def count_alike(pair: Pair) -> bool:
    """Two quantities of one unit, or of one noun that is named on both sides."""
    quantities = [run[0].value for run in pair if len(run) == 1 and isinstance(run[0].value, Quantity)]
    if len(quantities) != 2:
        return False
    one, other = quantities
    return bool(one.dimension or one.counted) and (one.dimension, one.counted) == (other.dimension, other.counted)


def join_text(run: Run) -> str:
    """The words of a run."""
    return " ".join(token.text for token in run)


def _may_be_name(run: Run) -> bool:
    """A name, or one capitalised word that opens the sentence and may be one."""
    opens = len(run) == 1 and run[0].place == 0 and run[0].text[:1].isupper()
    return name_kind(run) == "name" or opens


def _stems(run: Run) -> frozenset[str]:
    return frozenset(token.stem for token in run if token.stem and token.is_content)


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


def _runs(statement: Statement, tokens: Sequence[Token]) -> tuple[Run, ...]:
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


def _pair(
    left: Sequence[Run], right: Sequence[Run], frame: frozenset[str]
) -> tuple[tuple[Pair, ...], tuple[Run, ...], tuple[Run, ...]]:
    """Runs that say the same go; others are paired by kind, in order, if they hold the same frame words."""
    lefts, rights = list(left), list(right)
    for run in left:
        twin = next((r for r in rights if same_answer(join_text(run), join_text(r)) != "different"), None)
        if twin is not None:
            lefts.remove(run)
            rights.remove(twin)
    pairs: list[Pair] = []
    for is_strict in (True, False):
        for run in list(lefts):
            fitting = (r for r in rights if _stems(r) & frame == _stems(run) & frame)
            best = next((r for r in fitting if not is_strict or name_kind(r) == name_kind(run)), None)
            if best is not None:
                lefts.remove(run)
                rights.remove(best)
                pairs.append((run, best))
    return tuple(pairs), tuple(lefts), tuple(rights)
