"""The judges and the filter: evidence by hand, floors, label probabilities, and LangChain's form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from rag.core.errors import ModelError
from rag.core.passages import Passage, ScoredPassage
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.sentence_encoder import EmbeddingsEncoder
from retrievers.graph.index import GraphIndex
from retrievers.judging.base import Verdict
from retrievers.judging.encoder_judge import EncoderJudge, EncoderWeights, sentence_coverage, sentences
from retrievers.judging.filter import KnowledgeFilter
from retrievers.judging.model_judge import ModelJudge
from tests.generation.conftest import tiny_model, tiny_tokenizer

MILL = Passage("mill:0", "mill", "mill", "Tide mill", "It grinds corn. The mill was built by Ada Penrose.")
ADA = Passage("ada:0", "ada", "ada", "Ada Penrose", "Ada Penrose was born in a lighthouse.")
NOISE = Passage("noise:0", "noise", "noise", "Gulls", "Gulls eat fish.")
QUESTION = "Where was the builder of the tide mill born?"


class FixedJudge:
    """Says what it is told; for the filter's own rules."""

    def __init__(self, *entail: float) -> None:
        self._verdicts = [Verdict(value, 1 - value) for value in entail]

    def judge(self, questions: Any, passages: Any) -> list[list[Verdict]]:
        return [self._verdicts[: len(candidates)] for candidates in passages]

    def support(self, questions: Any, passages: Any) -> list[float]:
        return [0.0 for _ in questions]


@pytest.fixture
def judge(embeddings: Any) -> EncoderJudge:
    return EncoderJudge(EmbeddingsEncoder(embeddings, "hash"))


def test_a_chain_of_passages_is_above_noise(judge: EncoderJudge) -> None:
    mill, ada, noise = judge.judge([QUESTION], [[MILL, ADA, NOISE]])[0]
    assert min(mill.entail, ada.entail) > noise.entail
    assert mill.label == "entail"
    assert noise.label == "neutral"
    alone = judge.judge([QUESTION], [[ADA, NOISE]])[0][0]
    assert alone.entail < ada.entail  # the mill's passage is what makes hers an answer


def test_probabilities_are_logistic_in_the_evidence(judge: EncoderJudge) -> None:
    encoder = judge._encoder
    from retrievers.graph.facets import facets

    graph, sentence = judge.evidence(QUESTION, encoder.encode(facets(QUESTION)), [MILL, ADA])
    weights = EncoderWeights()
    verdicts = judge.judge([QUESTION], [[MILL, ADA]])[0]
    for row, verdict in enumerate(verdicts):
        logit = weights.graph * graph[row] + weights.sentence * sentence[row] + weights.bias
        assert verdict.entail == pytest.approx(1 / (1 + math.exp(-logit)))
        assert verdict.entail + verdict.neutral + verdict.contradict == pytest.approx(1)


def test_a_batch_judges_each_question_as_alone(judge: EncoderJudge) -> None:
    questions = [QUESTION, "What do gulls eat?", "nothing", "word " * 10_000]
    passages = [[MILL, ADA], [NOISE], [], [MILL]]
    batch = judge.judge(questions, passages)
    assert [len(verdicts) for verdicts in batch] == [2, 1, 0, 1]
    for question, candidates, verdicts in zip(questions, passages, batch, strict=True):
        alone = judge.judge([question], [candidates])[0]
        assert [v.entail for v in alone] == pytest.approx([v.entail for v in verdicts], abs=1e-6)
    assert judge.judge([], []) == []


def test_support_is_the_nearest_sentence(judge: EncoderJudge) -> None:
    support = judge.support(["gulls: gulls eat fish", "quite other words", "none"], [[MILL, NOISE], [NOISE], []])
    assert support[0] == pytest.approx(1.0, abs=1e-5)
    assert support[0] > support[1]
    assert support[2] == 0.0


def test_sentence_coverage_by_hand(embeddings: Any) -> None:
    from kg.extract import NameExtractor
    from kg.graph import KnowledgeGraph

    passages = [MILL, NOISE]
    index = GraphIndex.build(KnowledgeGraph(NameExtractor().extract(passages)), passages, np.zeros((2, 4), np.float32))
    # "built" and "mill" stand in one sentence of one of two passages, "moon" in none.
    held = 2 * math.log1p(2 / 2)
    assert sentence_coverage(index, "built mill moon", MILL) == pytest.approx(held / (held + math.log1p(2)))
    assert sentence_coverage(index, "built mill moon", NOISE) == 0.0


def test_sentences() -> None:
    assert sentences("One is 1.5 long. Two! (Three?) 4 four, e.g. five.") == [
        "One is 1.5 long.",
        "Two!",
        "(Three?) 4 four, e.g. five.",
    ]
    assert sentences("  ") == []


@pytest.mark.parametrize(
    ("entail", "threshold", "floor", "expected"),
    [
        ([0.9, 0.1, 0.5], 0.2, 0, [0, 2]),
        ([0.1, 0.05, 0.15], 0.2, 2, [0, 2]),
        ([0.1, 0.1, 0.1], 0.2, 1, [0]),
        ([0.1], 0.2, 0, []),
    ],
)
def test_threshold_and_floor(entail: list[float], threshold: float, floor: int, expected: list[int]) -> None:
    passages = [ScoredPassage(Passage(str(i), str(i), "", "", "text"), 1.0) for i in range(len(entail))]
    chosen = KnowledgeFilter(judge=FixedJudge(*entail), threshold=threshold, keep_floor=floor)
    accepted, verdicts = chosen.filter(["q"], [passages])[0]
    assert [int(item.passage.doc_id) for item in accepted] == expected
    assert len(verdicts) == len(entail)


def test_langchain_form() -> None:
    documents = [Document(page_content=text, metadata={"n": i}) for i, text in enumerate(("a", "b"))]
    accepted = KnowledgeFilter(judge=FixedJudge(0.9, 0.1), keep_floor=1).compress_documents(documents, "q")
    assert [(d.page_content, d.metadata) for d in accepted] == [("a", {"n": 0, "entail": 0.9, "verdict": "entail"})]
    assert documents[0].metadata == {"n": 0}


def test_the_model_judge_reads_label_probabilities() -> None:
    tokenizer = tiny_tokenizer()
    generator = TransformersGenerator(tiny_model("llama"), tokenizer, "tiny", prompt_style="plain")
    judge = ModelJudge(generator, labels=("w5", "w6", "w7"))  # words of the tiny vocabulary
    passage = Passage("p:0", "p", "p", "", "w9 w10 w11")
    long = Passage("l:0", "l", "l", "", "w12 " * 400)  # cut until it fits the window of 256 tokens
    verdicts = judge.judge(["w3?", "w4?"], [[passage, long], []])
    assert [len(row) for row in verdicts] == [2, 0]
    assert all(v.entail + v.neutral + v.contradict == pytest.approx(1) for v in verdicts[0])
    assert judge.support(["w3?"], [[passage]]) == pytest.approx([verdicts[0][0].entail], abs=1e-6)


def test_a_generator_without_scores_is_refused() -> None:
    class Mute:
        name = "mute"

    with pytest.raises(ModelError, match="Mute cannot score labels"):
        ModelJudge(Mute())  # type: ignore[arg-type]
