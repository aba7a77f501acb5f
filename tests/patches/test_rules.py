"""The deterministic writer: hand-worked sentences."""

from __future__ import annotations

from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.rules import write_rules
from rag.patches.questions.sentences import split_sentences


def written(text: str, title: str = "", limit: int = 9) -> set[tuple[str, str]]:
    samples = write_rules(PatchDocument("d", title, text, "h"), limit)
    assert len(samples) == len(set(samples))
    assert all(isinstance(sample, Sample) and not sample.passage for sample in samples)
    return {(sample.question, sample.answer) for sample in samples}


def test_passive_with_agent_and_year() -> None:
    got = written("The mill was built by Aron Pell in 1764.")
    assert ("Who was the mill built by?", "Aron Pell") in got
    assert ("By whom was the mill built?", "Aron Pell") in got
    assert ("When was the mill built?", "1764") in got
    assert ("The mill was built by Aron Pell in what year?", "1764") in got


def test_copula() -> None:
    got = written("The harbour master is Edda Quist.")
    assert {("Who is the harbour master?", "Edda Quist"), ("Name the harbour master.", "Edda Quist")} <= got
    assert ("Complete the sentence: The harbour master is", "Edda Quist") in got


def test_the_subject_is_asked_for() -> None:
    assert ("Who or what leads the council?", "Mira Tam") in written("Mira Tam leads the council.")


def test_numbers_and_plain_verbs() -> None:
    got = written("The Heron carries 212 passengers. Heron Hall has 14 rooms.")
    assert ("How many passengers does the Heron carry?", "212") in got
    assert ("What is the number of passengers that the Heron carries?", "212") in got
    assert ("How many rooms does Heron Hall have?", "14") in got
    assert ("What is the number of rooms of Heron Hall?", "14") in got


def test_a_noun_before_a_name_asks_for_it() -> None:
    got = written("Pell is a village on the river Orm. The bridge crosses the river Orm.", "Pell")
    assert ("Which river is Pell a village on?", "Orm") in got
    assert ("About Pell: which river does the bridge cross?", "Orm") in got


def test_a_pronoun_becomes_the_subject() -> None:
    got = written("Corvane is an old school. It stands on Miller Street.", "Corvane")
    assert ("Where does Corvane stand?", "Miller Street") in got


def test_a_question_names_what_it_is_about() -> None:
    got = written("Corvane is old. The school was opened in 1719.", "Corvane")
    assert ("About Corvane: when was the school opened?", "1719") in got


def test_a_file_name_is_no_subject() -> None:
    got = written("Corvane is a school. It stands on Miller Street.", "notes.txt")
    assert ("Where does Corvane stand?", "Miller Street") in got


def test_lines_are_joined_and_headings_left_out() -> None:
    text = "# The Tide Mill\n\nThe tide mill was\nbuilt in 1764. It still\nworks every day.\n\nno sentence"
    assert split_sentences(text, "Tide Mill") == ["The tide mill was built in 1764", "Tide Mill still works every day"]


def test_too_plain_a_text_gives_nothing() -> None:
    assert written("It rains a lot here. Bring a coat with you.") == set()
    assert written("") == set()


def test_the_limit_counts_per_answer() -> None:
    text = "The mill was built by Aron Pell in 1764. The harbour master is Edda Quist."
    assert len(written(text, limit=1)) == 3


def test_a_number_may_begin_the_sentence() -> None:
    assert ("How many pupils attend Corvane School?", "212") in written("212 pupils attend Corvane School.", "Corvane")


def test_the_only_answer_of_its_kind_is_asked_for_by_its_kind() -> None:
    text = "Corvane was founded by Aron Pell in 1764. Its head is Edda Quist. Corvane has 14 rooms."
    got = written(text, "Corvane", limit=2)
    assert {("About Corvane: when?", "1764"), ("About Corvane: how many?", "14")} <= got
    assert not [question for question, _ in got if question == "About Corvane: who?"]
