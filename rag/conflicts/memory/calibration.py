"""From the signs of memory to ``knows``, the probability that the model's own answer is right.

One logistic regression for each model, on facts whose truth is known. A calibration is a small file, named after the
fingerprint of the model's weights: in the user's cache, or in the package for the default model. A model without one
gets a cautious guess that never says "it knows".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kg.names import canonical
from rag.conflicts.memory.recall import SIGN_NAMES, Recall, Signs, memory_requests, read_memory
from rag.conflicts.reading.evidence import logistic
from rag.core.errors import ModelError, SourceError, StorageError
from rag.generation.base import Generator

_UNCALIBRATED_MOST = 0.45
_BATCH = 25
_RIDGE = 1.0
_MIN_EACH = 10


@dataclass(frozen=True)
class Fact:
    """A question of common knowledge and the accepted forms of its answer."""

    question: str
    answers: tuple[str, ...]

    def is_stated(self, text: str) -> bool:
        """Whether ``text`` holds one of the answers, on word boundaries, whatever the case and the accents."""
        padded = f" {canonical(text)} "
        return any(f" {canonical(answer)} " in padded for answer in self.answers)


@dataclass(frozen=True)
class Calibration:
    """How one model's signs become a probability.

    Attributes:
        model: its name, for people.
        fingerprint: of its weights.
        weights: by sign, for standardised signs.
        means, scales: of the signs, in the order of the weights.
        bias: of the logistic.
        num_facts, num_known: what it was fitted on.
        auc: area under the curve on facts that were left out of the fit, in five parts.
    """

    model: str
    fingerprint: str
    weights: dict[str, float]
    means: dict[str, float]
    scales: dict[str, float]
    bias: float
    num_facts: int
    num_known: int
    auc: float

    def knows(self, signs: Signs) -> float:
        """The probability that the answer with these signs is right, 0 to 1."""
        values = dict(zip(SIGN_NAMES, signs.values, strict=True))
        terms = (w * (values[name] - self.means[name]) / self.scales[name] for name, w in self.weights.items())
        return logistic(self.bias + sum(terms))


def knows(recall: Recall, calibration: Calibration | None) -> float:
    """The probability that a recalled answer is right. Without a calibration or signs: a cautious guess below .5."""
    if not recall.answer or recall.signs is None or recall.is_echo:
        return 0.0
    if calibration is None:
        # A geometric mean of the tokens' probability, held down where the wordings disagree.
        return _UNCALIBRATED_MOST * math.exp(min(recall.signs.mean_logprob, 0.0)) * recall.signs.agreement
    return calibration.knows(recall.signs)


def calibrate(
    generator: Generator,
    fingerprint: str,
    facts: Sequence[Fact] | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Calibration:
    """Ask a model facts whose truth is known, and fit what tells that it is right.

    Args:
        generator: the model.
        fingerprint: of its weights.
        facts: default: those of the package.
        report: told how many facts of how many are done.

    Raises:
        ModelError: the engine tells no probabilities, or the model knows nearly all or nearly none of the facts.
    """
    chosen = shipped_facts() if facts is None else list(facts)
    recalls: list[Recall] = []
    for start in range(0, len(chosen), _BATCH):
        recalls += recall(generator, [fact.question for fact in chosen[start : start + _BATCH]])
        report(len(recalls), len(chosen))
    signs = [item.signs for item in recalls if item.signs is not None]
    if len(signs) < len(recalls):
        raise ModelError(f"the engine of {generator.name} tells no probabilities; calibrate with engine='transformers'")
    is_right = [fact.is_stated(item.answer) for fact, item in zip(chosen, recalls, strict=True)]
    return fit(generator.name, fingerprint, signs, is_right)


def recall(generator: Generator, questions: Sequence[str], *, cache_salt: str = "") -> list[Recall]:
    """What the model recalls of each question, in one batch."""
    asked = [memory_requests(generator, question, cache_salt=cache_salt) for question in questions]
    generations = iter(generator.generate([request for requests in asked for request in requests]))
    return [
        read_memory(question, [next(generations) for _ in requests])
        for question, requests in zip(questions, asked, strict=True)
    ]


def fit(model: str, fingerprint: str, signs: Sequence[Signs], is_right: Sequence[bool]) -> Calibration:
    """A ridge logistic regression on standardised signs.

    Raises:
        ModelError: fewer than ten right or ten wrong answers, which no curve can be fitted to.
    """
    num_known = sum(is_right)
    if min(num_known, len(is_right) - num_known) < _MIN_EACH:
        raise ModelError(
            f"{model} answers {num_known} of {len(is_right)} facts; a calibration needs at least {_MIN_EACH} right and "
            f"{_MIN_EACH} wrong answers; give other facts"
        )
    values, truth = np.array([item.values for item in signs]), np.array(is_right, dtype=np.float64)
    means, scales = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    scaled = (values - means) / scales
    weights, bias = logistic_fit(scaled, truth, _RIDGE)
    columns = zip(SIGN_NAMES, weights.tolist(), means.tolist(), scales.tolist(), strict=True)
    rounded = [(name, *(round(number, 5) for number in numbers)) for name, *numbers in columns]
    return Calibration(
        model=model,
        fingerprint=fingerprint,
        weights={name: weight for name, weight, _, _ in rounded},
        means={name: mean for name, _, mean, _ in rounded},
        scales={name: scale for name, _, _, scale in rounded},
        bias=round(bias, 5),
        num_facts=len(is_right),
        num_known=num_known,
        auc=round(_held_out_auc(scaled, truth), 3),
    )


def logistic_fit(x: NDArray[np.float64], y: NDArray[np.float64], ridge: float) -> tuple[NDArray[np.float64], float]:
    """Weights ``[D]`` and bias of a logistic regression by Newton's method.

    Args:
        x: ``[N, D]`` inputs.
        y: ``[N]`` 0 or 1.
        ridge: penalty on the squared weights, not on the bias.
    """
    padded = np.hstack([x, np.ones((len(x), 1))])
    penalty = np.diag([ridge] * x.shape[1] + [1e-9])
    beta = np.zeros(padded.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(padded @ beta, -30, 30)))
        gradient = padded.T @ (p - y) + penalty @ beta
        hessian = (padded * (p * (1 - p))[:, None]).T @ padded + penalty
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if np.abs(step).max() < 1e-8:
            break
    return beta[:-1], float(beta[-1])


def _held_out_auc(x: NDArray[np.float64], y: NDArray[np.float64], num_parts: int = 5) -> float:
    """Area under the curve of scores that each part got from a fit on the other parts."""
    part = np.arange(len(y)) % num_parts
    scores = np.zeros(len(y))
    for number in range(num_parts):
        weights, bias = logistic_fit(x[part != number], y[part != number], _RIDGE)
        scores[part == number] = x[part == number] @ weights + bias
    right, wrong = scores[y == 1][:, None], scores[y == 0][None, :]
    return float(((right > wrong) + 0.5 * (right == wrong)).mean())


def shipped_facts() -> list[Fact]:
    """The facts of the package."""
    return parse_facts((files("rag.conflicts") / "data" / "facts.jsonl").read_text(encoding="utf-8"))


def parse_facts(text: str) -> list[Fact]:
    """Facts from JSON lines with ``question`` and ``answers``.

    Raises:
        SourceError: a line is something else; the message names it.
    """
    parsed = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            question, answers = row["question"], row["answers"]
        except (ValueError, TypeError, KeyError):
            question, answers = "", ()
        is_list = isinstance(answers, list) and all(isinstance(item, str) and item.strip() for item in answers)
        if not (isinstance(question, str) and question.strip() and answers and is_list):
            raise SourceError(
                f'line {number} of the facts is {line[:60]!r}; expected {{"question": "...", "answers": ["..."]}}'
            )
        parsed.append(Fact(question, tuple(answers)))
    return parsed


def load_calibration(fingerprint: str, folder: Path) -> Calibration | None:
    """The calibration of a model: of ``folder``, else the one that ships.

    ``None`` if there is none, or only one that is damaged or of another version: the model counts as uncalibrated.
    """
    name = f"{fingerprint}.json"
    places = (folder / name, files("rag.conflicts") / "data" / "calibrations" / name)
    texts = (place.read_text(encoding="utf-8") for place in places if place.is_file())
    return next((read for text in texts if (read := _read(text)) is not None), None)


def save_calibration(calibration: Calibration, folder: Path) -> Path:
    """Write a calibration; returns its file.

    Raises:
        StorageError: the folder cannot be written.
    """
    file = folder / f"{calibration.fingerprint}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(calibration), indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise StorageError(f"cannot write the calibration to {folder} ({error.strerror}); set cache_dir") from error
    return file


def _read(text: str) -> Calibration | None:
    """A calibration file; ``None`` for one that is damaged, or that another version wrote."""
    try:
        calibration = Calibration(**json.loads(text))
    except (ValueError, TypeError):
        return None
    return calibration if tuple(calibration.weights) == SIGN_NAMES else None
