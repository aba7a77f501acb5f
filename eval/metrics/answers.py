"""Scores of one answer's text against its references. An answer is scored as it is; nothing repairs it first."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, blanks collapsed, in this order.

    Punctuation goes without leaving a blank ("twenty-one" becomes "twentyone"); articles leave one.
    Source: Rajpurkar et al. 2016 (SQuAD), as the official evaluation does it.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1.0 when the normalised prediction equals one normalised answer, else 0.0.

    Without answers (an unanswerable question) only a prediction that normalises to nothing is right.
    Source: Rajpurkar et al. 2018 (SQuAD 2.0).
    """
    return float(normalize(prediction) in _gold(answers))


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Best token-overlap F1 of the prediction over the answers, tokens counted with multiplicity, 0 to 1.

    Where prediction or answer normalises to nothing it is 1 if both do, else 0.
    Source: Rajpurkar et al. 2018 (SQuAD 2.0).
    """
    tokens = normalize(prediction).split()
    return max(_token_f1(tokens, answer.split()) for answer in _gold(answers))


def contains_answer(prediction: str, answers: Sequence[str]) -> float:
    """1.0 when a normalised answer stands in the normalised prediction on word boundaries, else 0.0.

    An answer that normalises to nothing stands in no prediction; without answers the result is 0.0.
    Source: ours, after the accuracy of Mallen et al. 2023 (PopQA), which also finds "cat" in "scatter".
    """
    padded = f" {normalize(prediction)} "
    golds = (normalize(answer) for answer in answers)
    return float(any(gold and f" {gold} " in padded for gold in golds))


def _gold(answers: Sequence[str]) -> list[str]:
    """Normalised answers that are not empty; ``[""]`` stands for "no answer"."""
    return [gold for gold in map(normalize, answers) if gold] or [""]


def _token_f1(prediction: list[str], gold: list[str]) -> float:
    if not prediction or not gold:
        return float(prediction == gold)
    num_common = sum((Counter(prediction) & Counter(gold)).values())
    if num_common == 0:
        return 0.0
    precision, recall = num_common / len(prediction), num_common / len(gold)
    return 2 * precision * recall / (precision + recall)
