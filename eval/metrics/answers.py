"""Scores of one answer's text against its references. An answer is scored as it is; nothing repairs it first."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from rag.core.scripts import UNSPACED

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SIGN = re.compile(f"[{UNSPACED}]")


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, blanks collapsed, in this order.

    Punctuation goes without leaving a blank ("twenty-one" becomes "twentyone"); articles leave one.
    Source: Rajpurkar et al. 2016 (SQuAD), as the official evaluation does it.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split())


def normalize_signs(text: str) -> str:
    """As :func:`normalize`, for all scripts: punctuation of all of them goes, and signs that are written without blanks
    (Chinese, Japanese, Korean, Thai ...) are a word each.

    Source: Lewis et al. 2020 (MLQA), "mixed segmentation".
    """
    if text.isascii():
        return normalize(text)
    folded = unicodedata.normalize("NFKC", text)
    words = "".join(character for character in folded if unicodedata.category(character)[0] != "P")
    return normalize(_SIGN.sub(r" \g<0> ", words))


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1.0 when the normalised prediction equals one normalised answer, else 0.0.

    Without answers (an unanswerable question) only a prediction that normalises to nothing is right.
    Source: Rajpurkar et al. 2018 (SQuAD 2.0); Lewis et al. 2020 (MLQA) where there are no blanks between words.
    """
    norm = _normalizer(prediction, answers)
    return float(norm(prediction) in _gold(answers, norm))


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Best token-overlap F1 of the prediction over the answers, tokens counted with multiplicity, 0 to 1.

    Where prediction or answer normalises to nothing it is 1 if both do, else 0.
    Source: Rajpurkar et al. 2018 (SQuAD 2.0); Lewis et al. 2020 (MLQA) where there are no blanks between words.
    """
    norm = _normalizer(prediction, answers)
    tokens = norm(prediction).split()
    return max(_token_f1(tokens, answer.split()) for answer in _gold(answers, norm))


def contains_answer(prediction: str, answers: Sequence[str]) -> float:
    """1.0 when a normalised answer stands in the normalised prediction on word boundaries, else 0.0.

    Scripts without blanks have no such boundaries: there any run of signs counts, as does Korean before a particle.
    An answer that normalises to nothing stands in no prediction; without answers the result is 0.0.
    Source: ours, after the accuracy of Mallen et al. 2023 (PopQA), which also finds "cat" in "scatter".
    """
    padded = f" {normalize_signs(prediction)} "
    golds = (normalize_signs(answer) for answer in answers)
    return float(any(gold and f" {gold} " in padded for gold in golds))


def _normalizer(prediction: str, answers: Sequence[str]) -> Callable[[str], str]:
    """SQuAD's, unless the texts are written without blanks."""
    return normalize_signs if any(map(_SIGN.search, (prediction, *answers))) else normalize


def _gold(answers: Sequence[str], norm: Callable[[str], str]) -> list[str]:
    """Normalised answers that are not empty; ``[""]`` stands for "no answer"."""
    return [gold for gold in map(norm, answers) if gold] or [""]


def _token_f1(prediction: list[str], gold: list[str]) -> float:
    if not prediction or not gold:
        return float(prediction == gold)
    num_common = sum((Counter(prediction) & Counter(gold)).values())
    if num_common == 0:
        return 0.0
    precision, recall = num_common / len(prediction), num_common / len(gold)
    return 2 * precision * recall / (precision + recall)
