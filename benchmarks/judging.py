"""How well the judges tell passages and questions apart, and what rewriting does to recall.

Areas under the ROC curve: of gold against retrieved-but-not-gold passages (among the ten best of dense retrieval and
of the graph), and of answerable against unanswerable questions by the support their passages give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.sets import TestSet, area_under_curve, recall
from rag.core.encoding import Encoder, passage_text
from rag.core.passages import Passage
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.generation.base import Generator
from rag.models.sentence_encoder import SentenceEncoder
from retrievers.dense.retriever import DenseRetriever
from retrievers.graph.retriever import GraphRetriever
from retrievers.judging.base import Judge
from retrievers.judging.encoder_judge import EncoderJudge
from retrievers.judging.model_judge import ModelJudge

NUM_CANDIDATES = 10
NUM_SUPPORTING = 3
# The generator reads some 200 tokens for each passage: on a processor, not for every question.
NUM_MODEL_QUESTIONS = 20
NUM_REWRITTEN = 24


def filter_auc(test_set: TestSet, encoder: Encoder, generator: Generator | None = None) -> dict[str, float]:
    """AUC by judge over the odd-numbered questions; ``model`` over some of them, with ``encoder_on_model_rows``."""
    odd = test_set.part(range(1, len(test_set.questions), 2))
    passages = candidates(odd, encoder)
    gold = [[p.doc_id in wanted for p in row] for wanted, row in zip(odd.gold, passages, strict=True)]
    judged = entailment(EncoderJudge(encoder), odd.questions, passages)
    out = {"cosine": auc(cosines(odd.questions, passages, encoder), gold), "encoder": auc(judged, gold)}
    if generator is not None:
        first = slice(0, NUM_MODEL_QUESTIONS)
        out["model"] = auc(entailment(ModelJudge(generator), odd.questions[first], passages[first]), gold[first])
        out["encoder_on_model_rows"] = auc(judged[first], gold[first])
    return out


def answerable_auc(
    test_set: TestSet, foreign: Sequence[str], encoder: Encoder, generator: Generator | None = None
) -> dict[str, float]:
    """AUC by support, of the odd-numbered of 400 questions of squad2.

    ``foreign_...`` is against questions that other data sets ask about other things. ``refused_...`` are the shares
    that ``abstain`` refuses at the default setting.
    """
    odd = test_set.part(range(5, len(test_set.questions), 10))
    passages = [row[:NUM_SUPPORTING] for row in candidates(odd, encoder)]
    others = replace(test_set, questions=list(foreign), gold=[set()] * len(foreign))
    other_passages = [row[:NUM_SUPPORTING] for row in candidates(others, encoder)]
    judge = EncoderJudge(encoder)
    support, foreign_support = judge.support(odd.questions, passages), judge.support(foreign, other_passages)
    nearest = [max(row) for row in cosines(odd.questions, passages, encoder)]
    is_answerable = [bool(wanted) for wanted in odd.gold]
    yes = [value for value, is_yes in zip(support, is_answerable, strict=True) if is_yes]
    no = [value for value, is_yes in zip(support, is_answerable, strict=True) if not is_yes]
    below = Config().abstain_below
    out = {
        "cosine": auc([nearest], [is_answerable]),
        "encoder": area_under_curve(yes, no),
        "foreign_encoder": area_under_curve(yes, foreign_support),
        "refused_answerable": float(np.mean(np.array(yes) < below)),
        "refused_unanswerable": float(np.mean(np.array(no) < below)),
        "refused_foreign": float(np.mean(np.array(foreign_support) < below)),
    }
    if generator is not None:
        first = slice(0, NUM_MODEL_QUESTIONS * 3)
        asked = ModelJudge(generator).support(odd.questions[first], passages[first])
        out["model"] = auc([asked], [is_answerable[first]])
    return out


def rewriting(test_set: TestSet, encoder: SentenceEncoder, generator: Generator) -> dict[str, float]:
    """Recall@5 of some questions as they are, and with the generator's facets."""
    sample = test_set.part(range(1, 2 * NUM_REWRITTEN, 2))
    engine = Engine(test_set.library, Config(), encoder=encoder, generator=generator)
    out = {}
    for kind in ("off", "model"):
        states = engine.search([engine.query(text, rewrite=kind, top_k=5) for text in sample.questions])
        documents = [[scored.passage.doc_id for scored in state.ranking] for state in states]
        out[kind] = float(np.mean(recall(sample.gold, documents)))
        out[f"{kind}_queries"] = float(np.mean([len(state.trace.queries) for state in states]))
    return out


def candidates(test_set: TestSet, encoder: Encoder) -> list[list[Passage]]:
    """The ten best passages of the graph, then those of dense retrieval that are not among them."""
    retrievers = [kind(library=test_set.library, encoder=encoder) for kind in (GraphRetriever, DenseRetriever)]
    rankings = [retriever.search(test_set.questions, NUM_CANDIDATES) for retriever in retrievers]
    return [
        list({scored.passage.passage_id: scored.passage for scored in (*first, *second)}.values())
        for first, second in zip(*rankings, strict=True)
    ]


def entailment(judge: Judge, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[float]]:
    """Probability of each passage to entail."""
    return [[verdict.entail for verdict in row] for row in judge.judge(questions, passages)]


def cosines(questions: Sequence[str], passages: Sequence[Sequence[Passage]], encoder: Encoder) -> list[list[float]]:
    """Cosine of each question and its passages: the baseline."""
    texts = [[passage_text(passage.title, passage.text, passage.heading) for passage in row] for row in passages]
    asked = encoder.encode(questions)
    return [(encoder.encode(row) @ vector).tolist() for vector, row in zip(asked, texts, strict=True)]


def auc(scores: Sequence[Sequence[float]], is_positive: Sequence[Sequence[bool]]) -> float:
    """One curve over all rows."""
    pairs = [pair for row, flags in zip(scores, is_positive, strict=True) for pair in zip(row, flags, strict=True)]
    return area_under_curve([s for s, is_yes in pairs if is_yes], [s for s, is_yes in pairs if not is_yes])
