"""What bounds a patch of a real paragraph: the questions it learns from, the training, or the size of the model?

    python benchmarks/patch_ceiling.py [--paragraphs 6] [--train] [--data FOLDER]

Paragraphs of squad2 of the development titles (``patch_paragraphs.py``), with their own human questions. For the
questions of the rules (``fast``), those about every phrase (``quiet``, one wording), and the human ones themselves:

* ``covered``: share of human questions whose answer is asked about at all.
* ``nearest``: share that is right if each gets the answer of the most similar written question (cosine of the
  encoder). A patch is a memory of questions, so it hardly does better.

With ``--train``: ``learnt``, the taught questions that a patch answers afterwards, and ``right``, the human ones. The
human questions are taught in 16 epochs, as an upper bound; the others in the profile's 4. ``reading`` has the
paragraph in the prompt and no patch, ``base`` neither.

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.patch_paragraphs import DATA, DEV_TITLES, Paragraph, load_paragraphs
from benchmarks.patching import MAX_TOKENS, answers
from eval.metrics.answers import contains_answer
from rag import Engine
from rag.core.encoding import Encoder
from rag.core.settings.config import Config
from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.sentence_encoder import SentenceEncoder
from rag.patches.base import Sample
from rag.patches.profiles import FAST, Profile
from rag.patches.questions.coverage import write_coverage
from rag.patches.questions.rules import write_rules
from rag.patches.training.trainer import Trained, Trainer

_QUICK = replace(FAST, is_fast=True, pack_tokens=230)
_PROFILES = {"rules": _QUICK, "phrases": _QUICK, "human": replace(_QUICK, epochs=16)}
Ways = Mapping[str, Sequence[Sequence[Sample]]]


def main() -> None:
    """Measure, and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paragraphs", type=int, default=6)
    parser.add_argument("--train", action="store_true", help="train a patch of each paragraph; about a minute each")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of squad2")
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"no data set at {args.data}; name the folder of squad2 with --data")
    paragraphs = load_paragraphs(args.data, DEV_TITLES, args.paragraphs)
    ways = {
        "rules": [write_rules(paragraph.document, FAST.max_questions) for paragraph in paragraphs],
        "phrases": [write_coverage(paragraph.document, 1, 1) for paragraph in paragraphs],
        "human": [[Sample(asked, right[0]) for asked, right in paragraph.questions] for paragraph in paragraphs],
    }
    encoder = SentenceEncoder(Config())
    figures: dict[str, object] = {name: bound(encoder, paragraphs, samples) for name, samples in ways.items()}
    if args.train:
        with (
            tempfile.TemporaryDirectory() as folder,
            Engine.open(folder, max_tokens=MAX_TOKENS, skill="none") as engine,
        ):
            figures |= trained(engine.patches.trainable, paragraphs, ways)
    print(json.dumps({"num_questions": sum(len(p.questions) for p in paragraphs), **figures}))


def bound(encoder: Encoder, paragraphs: Sequence[Paragraph], samples: Sequence[Sequence[Sample]]) -> dict[str, float]:
    """Coverage, the accuracy of the nearest question, and the number of questions a paragraph."""
    covered, nearest = [], []
    for paragraph, written in zip(paragraphs, samples, strict=True):
        asked = encoder.encode([question for question, _ in paragraph.questions])
        similar = asked @ encoder.encode([sample.question for sample in written]).T if written else None
        for row, (_, right) in enumerate(paragraph.questions):
            covered.append(any(contains_answer(sample.answer, right) for sample in written))
            best = written[int(similar[row].argmax())].answer if similar is not None else ""
            nearest.append(contains_answer(best, right))
    per_paragraph = statistics.fmean(map(len, samples))
    return {"covered": mean(covered), "nearest": mean(nearest), "questions": round(per_paragraph, 1)}


def trained(generator: TransformersGenerator, paragraphs: Sequence[Paragraph], ways: Ways) -> dict[str, object]:
    """Accuracy of the human questions after each way of teaching; and without a patch, with and without the text."""
    nothing: list[Adapter | None] = [None for _ in paragraphs]
    figures: dict[str, object] = {
        "base": ask(generator, paragraphs, nothing),
        "reading": ask(generator, paragraphs, nothing, has_text=True),
    }
    for name, samples in ways.items():
        adapters, learnt = teach(generator, _PROFILES[name], samples)
        figures[f"{name}_taught"] = {"learnt": learnt, "right": ask(generator, paragraphs, adapters)}
        print(f"{name}: {figures[f'{name}_taught']}", file=sys.stderr, flush=True)
    return figures


def teach(
    generator: TransformersGenerator, profile: Profile, samples: Sequence[Sequence[Sample]]
) -> tuple[list[Adapter | None], float]:
    """The adapter of each paragraph, and the share of its samples that it answers."""
    adapters: list[Adapter | None] = [None for _ in samples]
    solved: list[bool] = []
    taught = [index for index, written in enumerate(samples) if written]
    for place, result in Trainer(generator, profile, is_probed=True).train_probed([samples[index] for index in taught]):
        if isinstance(result, Trained):
            adapters[taught[place]] = Adapter.single(f"{profile.epochs} {len(solved)} {place}", result.tensors)
            solved += result.is_solved
    return adapters, mean(solved)


def ask(
    generator: TransformersGenerator,
    paragraphs: Sequence[Paragraph],
    adapters: Sequence[Adapter | None],
    *,
    has_text: bool = False,
) -> float:
    """Accuracy on the human questions of all paragraphs, each with its adapter."""
    asked = [(*pair, number) for number, paragraph in enumerate(paragraphs) for pair in paragraph.questions]
    documents = [paragraphs[number].document for *_, number in asked]
    texts = [(document.title, document.text) for document in documents] if has_text else None
    spoken = answers(generator, [question for question, *_ in asked], [adapters[n] for *_, n in asked], texts)
    return mean(contains_answer(text, right) for text, (_, right, _) in zip(spoken, asked, strict=True))


def mean(flags: Iterable[float]) -> float:
    """Share of the true ones, three digits."""
    return round(statistics.fmean(flags), 3)


if __name__ == "__main__":
    main()
