"""Unrelated questions: answered once by the base, mixed in, and still answered so with a foreign patch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.generation.base import Adapter, Request
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import PatchDocument, PatchInfo, Sample, Tensors, WrittenPatch
from rag.patches.profiles import FAST, PRAG, Profile
from rag.patches.questions.source import DocumentSamples
from rag.patches.training.batched import initial_adapter
from rag.patches.training.quiet import principal_directions, quiet_adapter
from rag.patches.training.samples import tokenize_sample
from rag.patches.training.silence import answer_unrelated, mix
from rag.patches.training.writer import GradientWriter
from tests.patches.conftest import random_samples

DOCUMENT = PatchDocument("d", "", "text", "h")
LOUD = replace(FAST, layers=1.0, epochs=40, learning_rate=2e-2)


def write(tiny: TransformersGenerator, profile: Profile, folder: Path) -> WrittenPatch:
    source = [DocumentSamples(tuple(random_samples(1, 1)[0]))]
    patch = dict(GradientWriter(tiny, profile, lambda documents: source, folder).write([DOCUMENT]))[0]
    assert isinstance(patch, WrittenPatch)
    return patch


def say(tiny: TransformersGenerator, samples: list[Sample], tensors: Tensors | None) -> list[str]:
    adapter = Adapter.single("a", tensors) if tensors else None
    requests = []
    for sample in samples:
        passages = [Passage("", "", "", sample.title, sample.passage)] if sample.passage else []
        ids = tiny.encode(build_prompts(sample.question, passages).context)
        requests.append(Request.single(ids, Sampling(max_tokens=16), adapter=adapter))
    return [generation.text for generation in tiny.generate(requests)]


def test_the_base_answers_once(tiny: TransformersGenerator, tmp_path: Path) -> None:
    first = answer_unrelated(tiny, tmp_path, "base")
    assert say(tiny, first, None) == [sample.answer for sample in first]
    (file,) = tmp_path.iterdir()
    rows = json.loads(file.read_text())
    rows[0]["answer"] = "from the file"
    file.write_text(json.dumps(rows))
    assert answer_unrelated(tiny, tmp_path, "base")[0].answer == "from the file"
    assert answer_unrelated(tiny, tmp_path, "another")[0] == first[0]
    file.write_text("{")
    assert answer_unrelated(tiny, tmp_path, "base") == first


def test_mixing() -> None:
    samples, unrelated = [Sample(str(n), "a") for n in range(5)], [Sample("u", "b"), Sample("v", "b")]
    assert [s.question for s in mix(samples, unrelated, 2)] == ["0", "1", "u", "2", "3", "v", "4"]
    assert mix(samples, unrelated, 0) == samples


def test_the_manifest_says_what_was_learnt(tiny: TransformersGenerator, tmp_path: Path) -> None:
    patch = write(tiny, LOUD, tmp_path)
    samples = random_samples(1, 1)[0]
    said = say(tiny, samples, patch.tensors)
    right = {sample.answer for sample, text in zip(samples, said, strict=True) if sample.answer == text}
    assert patch.num_answers == len({sample.answer for sample in samples})
    assert patch.learnt
    assert set(patch.learnt) <= right
    untrained = write(tiny, replace(LOUD, learning_rate=0.0), tmp_path)
    assert untrained.learnt == ()


def test_an_older_manifest_still_loads() -> None:
    info = PatchInfo("k", "d", "", "h", "b", "n", "fast", "w", 3)
    old = {name: value for name, value in vars(info).items() if name not in ("num_answers", "learnt")}
    assert PatchInfo(**json.loads(json.dumps(old))) == info
    assert PatchInfo(**json.loads(json.dumps(vars(replace(info, learnt=("x",)))))).learnt == ("x",)


def test_a_profile_without_new_levers_keeps_its_name() -> None:
    assert PRAG.fingerprint() == "25eb0d4f9ffc"


def test_a_quiet_start_does_not_read_unrelated_prompts(tiny: TransformersGenerator) -> None:
    samples = random_samples(1, 12, seed=5)[0]
    tokens = [tokenize_sample(tiny, sample, LOUD) for sample in samples]
    initial = initial_adapter(tiny.model, LOUD)
    quiet = quiet_adapter(tiny.model, initial, tokens, 0.5)
    inputs: dict[str, list[torch.Tensor]] = {name: [] for name in initial}
    hooks = [
        tiny.model.get_submodule(name).register_forward_pre_hook(
            lambda _, args, name=name: inputs[name].append(args[0])
        )
        for name in initial
    ]
    with torch.inference_mode():
        for sample in tokens:
            tiny.model(torch.tensor([sample.ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    for name, a in initial.items():
        x = torch.cat([rows[0] for rows in inputs[name]])
        assert torch.allclose(quiet[name].norm(dim=1), a.norm(dim=1))
        assert (x @ quiet[name].to(x).mT).square().sum() < 0.5 * (x @ a.to(x).mT).square().sum(), name


def test_principal_directions_of_few_and_of_many_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(5, 9, generator=generator, dtype=torch.float64)
    many = torch.cat([few, few.new_zeros(20, 9)])
    one, other = principal_directions(few, 3), principal_directions(many, 3)
    assert torch.allclose(one @ one.mT, other @ other.mT)


@pytest.mark.parametrize("is_half", [True, False])
def test_half_precision_halves_the_bytes(tiny: TransformersGenerator, tmp_path: Path, is_half: bool) -> None:
    patch = write(tiny, replace(LOUD, is_half=is_half, epochs=1), tmp_path)
    dtypes = {tensor.dtype for pair in patch.tensors.values() for tensor in pair}
    assert dtypes == ({torch.float16} if is_half else {torch.float64})
