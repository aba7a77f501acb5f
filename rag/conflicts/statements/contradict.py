"""Whether two sentences contradict each other, by what they say and without a model.

Both must be asserted. What they share is the frame, what differs are the values: a number, a date, a name, a word. They
contradict each other where the frame takes one value: "the mayor of Selby is", "was opened in", "was built by". A word
more on one side is a detail; two facts about one thing are no contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rag.conflicts.statements.difference import (
    Difference,
    Pair,
    Run,
    are_comparable,
    are_moments,
    count_alike,
    find_difference,
    join_text,
    name_kind,
)
from rag.conflicts.statements.frames import (
    are_antonyms,
    are_rivals,
    compares,
    names_permanent_role,
    names_role_in_time,
    says_change,
    states_place,
    takes_many,
    takes_one_object,
    takes_one_subject,
)
from rag.conflicts.statements.statement import Statement, read_statement
from rag.conflicts.statements.unspaced import find_exchange
from rag.conflicts.values.quantities import Quantity
from rag.conflicts.values.words import ARTICLES, is_unspaced, word_set

# Shared words of a sentence in which one run of words was exchanged, and whose verb does not take several objects.
# Chosen on the first halves of the dynamicqa and pairs files.
MIN_SHARED_EXCHANGE = 4
# The same for a sentence in which no verb is found. Not chosen on data.
MIN_SHARED_WITHOUT_VERB = 3
_MAX_EXCHANGED = 6
_DIRECTIONS = word_set("to from before after with without above below inside outside under over into out")

Kind = Literal["value", "negation", "opposite"]
Topic = Literal["one", "likely", "unknown"]
"""Whether the texts of two sentences are about one thing. One: "it" means the same in both. Likely: they are put side
by side, as the passages of one question. Unknown: they come from a large collection, in which "the film" is many."""


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


def contradict(one: str, other: str, *, topic: Topic = "likely") -> Contradiction | None:
    """The contradiction between two sentences, or ``None``. Symmetric up to the order of the parts."""
    if is_unspaced(one) and is_unspaced(other):
        exchange = find_exchange(one, other)
        kind: Kind = "value" if exchange and exchange.left else "negation"
        return Contradiction(one, other, exchange.left, exchange.right, kind, 0.7) if exchange else None
    a, b = read_statement(one), read_statement(other)
    if a.is_asserted != b.is_asserted or a.is_question or a.modals != b.modals:
        return None
    difference = find_difference(a, b)
    if difference.num_shared < 1 or not (a.is_asserted or difference.is_version):
        return None
    if topic == "unknown" and not (difference.shares_name and _is_explicit(a) and _is_explicit(b)):
        return None
    if not (a.is_whole and b.is_whole) and not _is_cut_version(difference):
        return None
    if a.is_negated != b.is_negated:
        return _contradict_by_negation(one, other, a, difference)
    if not difference.left and not difference.right and _are_turned(a, b):
        return Contradiction(one, other, "", "", "opposite", 0.6)
    if not difference.pairs or (a.is_negated and not difference.is_version):
        return None
    first = difference.pairs[0]
    if len(difference.pairs) == 1 and _is_opposite(first):
        return _build(one, other, first, "opposite", 0.8)
    if topic != "one" and (a.is_about_it or b.is_about_it) and not difference.is_version:
        return None
    confidence = 0.0
    if topic != "unknown":
        confidence = _weigh_versions(a, b, difference)
    if not confidence and min(a.verb, b.verb) < 0:
        confidence = _weigh_without_verb(a, b, difference)
    elif not confidence:
        confidence = _weigh(a, b, difference)
    return _build(one, other, first, "value", confidence) if confidence else None


def _weigh_versions(a: Statement, b: Statement, difference: Difference) -> float:
    """How sure it is that two versions of one sentence contradict each other; 0 if they are none."""
    pairs = difference.pairs
    if min(a.verb, b.verb) < 0 or _is_over(a, b, difference):
        return 0.0
    is_same_pair = len({(join_text(left), join_text(right)) for left, right in pairs}) == 1
    is_version, is_exchange = difference.is_version, _is_exchange(a, b) or (is_same_pair and len(pairs) > 1)
    if is_version and (is_exchange or any(name_kind(left) != "word" for left, _ in pairs)):
        return 0.9 if is_exchange else 0.7
    is_single = not takes_many(a.text) and takes_one_object(a.text, is_named=False)
    if is_exchange and difference.num_shared >= MIN_SHARED_EXCHANGE and is_single:
        return 0.7
    return 0.0


def _weigh(a: Statement, b: Statement, difference: Difference) -> float:
    """How sure it is that different values contradict each other in a frame that takes one; 0 if they do not."""
    pairs = list(difference.pairs)
    if _is_over(a, b, difference):
        return 0.0
    if says_change(difference.shared):
        pairs = [pair for pair in pairs if not are_moments(pair)] or pairs
    num_shared = difference.num_shared + count_alike(pairs[0])
    min_shared = 1 if _is_exchange(a, b) and name_kind(pairs[0][0]) != "word" and states_place(a.text) else 2
    if len(pairs) > 1 or num_shared < min_shared or not are_comparable(pairs[0]) or _differ_in_frame(a, b, difference):
        return 0.0
    if a.is_past_state and names_role_in_time(difference.shared):
        return 0.0
    return 0.8 if _takes_one_value(a, b, pairs[0]) else 0.0


def _is_explicit(statement: Statement) -> bool:
    """Whether the sentence says by itself what it is about."""
    return statement.names_subject and not statement.is_about_it


def _is_over(a: Statement, b: Statement, difference: Difference) -> bool:
    """Whether one speaks of what was, the other of what is."""
    return a.is_past_state != b.is_past_state and not names_permanent_role(difference.shared)


def _is_cut_version(difference: Difference) -> bool:
    """A sentence that was cut off counts if another version of it stands there; a heading with a date does not."""
    return difference.is_version and not all(are_moments(pair) for pair in difference.pairs)


def _weigh_without_verb(a: Statement, b: Statement, difference: Difference) -> float:
    """Sentences in which no verb is found, as in another language: one value is exchanged, and it is no date."""
    pair = difference.pairs[0]
    num_shared = difference.num_shared + count_alike(pair)
    if not _is_exchange(a, b) or num_shared < MIN_SHARED_WITHOUT_VERB:
        return 0.0
    return 0.6 if are_comparable(pair) and not are_moments(pair) and not takes_many(a.text) else 0.0


def _takes_one_value(a: Statement, b: Statement, pair: Pair) -> bool:
    if count_alike(pair):
        return True
    subjects = [s for s, run in zip((a, b), pair, strict=True) if run[-1].place < s.verb]
    if subjects:  # of both, or of one of them: then the other is inverted or passive
        return all(takes_one_subject(s.text) for s in subjects) and not (takes_many(a.text) or takes_many(b.text))
    if all(isinstance(run[0].value, Quantity) for run in pair):
        return True
    if name_kind(pair[0]) == "word":
        words = [" ".join(token.key for token in run) for run in pair]
        return are_rivals(*words) or all(takes_one_object(s.text, is_word=True) for s in (a, b))
    return takes_one_object(a.text) and takes_one_object(b.text)


def _differ_in_frame(a: Statement, b: Statement, difference: Difference) -> bool:
    """Whether one side has a word that makes the frame another one: "the deputy mayor", "the mayor of Selby Park".

    Or whether one goes to where the other one comes from.
    """
    directions = [{pair for pair in _directions(s) if pair[1] in difference.shared} for s in (a, b)]
    if directions[0] != directions[1] and {stem for _, stem in directions[0]} == {stem for _, stem in directions[1]}:
        return True
    sides = ((a, difference.left_only), (b, difference.right_only))
    return any(_restricts(statement, run, difference) for statement, runs in sides for run in runs)


def _directions(statement: Statement) -> set[tuple[str, str]]:
    """Prepositions of direction and what stands after them, the article left out."""
    tokens = [token for token in statement.tokens if token.key not in ARTICLES]
    return {(before.key, after.stem) for before, after in pairwise(tokens) if before.key in _DIRECTIONS and after.stem}


def _restricts(statement: Statement, run: Run, difference: Difference) -> bool:
    """A run before a shared word, or one that makes a shared name longer. An adverb does not count."""
    if any(token.stem in difference.shared for token in run):
        return True
    following = next((token for token in statement.tokens if token.place == run[-1].place + 1), None)
    is_before = following is not None and following.stem in difference.shared and not following.is_apart
    return is_before and not run[-1].key.endswith("ly")


def _contradict_by_negation(one: str, other: str, a: Statement, difference: Difference) -> Contradiction | None:
    """The same statement, once denied; the denied one may say less, but not more."""
    denied, affirmed = (difference.left, difference.right) if a.is_negated else (difference.right, difference.left)
    if denied or difference.num_shared < 2 or len(affirmed) > 2:
        return None
    return Contradiction(one, other, "", "", "negation", 0.8 if not affirmed else 0.6)


def _are_turned(a: Statement, b: Statement) -> bool:
    """Whether two names have changed places in a relation that has a direction ("is older than", "defeated")."""
    orders = [[token.key for token in statement.content if token.is_name] for statement in (a, b)]
    is_same_voice = (" by " in a.text) == (" by " in b.text)
    return orders[0] != orders[1] and is_same_voice and compares(a.text) and compares(b.text)


def _is_opposite(pair: Pair) -> bool:
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
    return max(len(one), len(other)) - start - end <= _MAX_EXCHANGED


def _build(one: str, other: str, pair: Pair, kind: Kind, confidence: float) -> Contradiction:
    return Contradiction(one, other, join_text(pair[0]), join_text(pair[1]), kind, confidence)
