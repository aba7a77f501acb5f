"""``engine.patches`` over a tiny model: building, resuming, asking, refusing; any writer in the trainer's place."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rag import Answer, Engine
from rag.core.errors import LibraryError, PatchError, SettingError
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches import folder as folders
from rag.patches.base import FAST, PatchDocument, PatchWriter, Sample, Tensors
from rag.patches.fingerprint import model_fingerprint
from rag.patches.patchset import PatchSet
from rag.patches.training.trainer import GradientWriter
from tests.conftest import ROOT
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.patches.conftest import random_samples, random_tensors

TEXTS = {
    "harbour": "The harbour master is Edda Quist. The harbour was opened in 1764.",
    "mill": "The tide mill was built by Aron Pell. The tide mill has 14 rooms.",
    "short": "Hm.",
}


def write_docs(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def opened(folder: Path, embeddings: Any, generator: TransformersGenerator, **settings: Any) -> Engine:
    return Engine.open(
        folder, embeddings=embeddings, generator=generator, max_tokens=8, **({"patch_gate": -1.0} | settings)
    )


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> Iterator[Engine]:
    with opened(tmp_path / "library", embeddings, tiny) as engine:
        engine.add(write_docs(tmp_path / "docs", TEXTS))
        yield engine


def names(sources: Sequence[str], engine: Engine) -> list[str]:
    by_id = {document.doc_id: Path(document.source).stem for document in engine.documents()}
    return sorted(by_id[doc_id] for doc_id in sources)


def test_build_reports_and_goes_on(engine: Engine) -> None:
    report = engine.patches.build()
    assert names(report.built, engine) == ["harbour", "mill"]
    assert names([item.doc_id for item in report.failed], engine) == ["short"]
    assert "too short" in report.failed[0].reason
    again = engine.patches.build()
    assert (again.built, names(again.skipped, engine)) == ((), ["harbour", "mill"])
    infos = engine.patches.ls()
    assert [info.profile for info in infos] == ["fast", "fast"]
    assert engine.patches.inspect(infos[0].key[:10]) == infos[0]


def test_only_what_changed_is_built_again(engine: Engine, tmp_path: Path) -> None:
    engine.patches.build()
    engine.add(write_docs(tmp_path / "docs", {"mill": "The tide mill was built by Runa Holt."}))
    report = engine.patches.build()
    assert (names(report.built, engine), names(report.skipped, engine)) == (["mill"], ["harbour"])


def test_documents_that_the_library_does_not_hold(engine: Engine) -> None:
    documents = [
        PatchDocument("mill", "", "The tide mill was built by Aron Pell.", "hash of the mill"),
        PatchDocument("short", "", "Hm.", "hash of the short one"),
    ]
    made, none = engine.patches.uses_of(documents)
    assert none is None
    assert made is not None
    assert (made.doc_id, made.weight) == ("mill", 1.0)
    assert engine.patches.uses_of(documents) == [made, None]
    assert [info.key for info in engine.patches.ls()] == [made.key]
    assert engine.patches.adapter([made]) is not None


def test_some_documents_and_one_at_a_time(engine: Engine) -> None:
    mill = next(d.doc_id for d in engine.documents() if d.source.endswith("mill.txt"))
    assert engine.patches.build([mill], jobs=1).built == (mill,)
    with pytest.raises(LibraryError, match="no document 'nowhere'"):
        engine.patches.build(["nowhere"])


def test_a_disk_that_fills_costs_one_document(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    report = engine.patches.build()
    assert len(report.built) == 1
    assert any("the disk is full" in item.reason for item in report.failed)
    assert [info.doc_id for info in engine.patches.ls()] == list(report.built)


def test_asking_with_patches(engine: Engine) -> None:
    engine.patches.build()
    question = "Who is the harbour master?"
    off, auto, only = (
        engine.ask(question, patches=mode, decoder="plain", temperature=0.0) for mode in ("off", "auto", "only")
    )
    assert off.patches == ()
    assert off.citations == auto.citations
    assert only.citations == ()
    assert {use.doc_id for use in auto.patches} <= {info.doc_id for info in engine.patches.ls()}
    assert max(use.weight for use in only.patches) == 1.0
    assert auto.conflict.memory_answer == off.conflict.memory_answer == only.conflict.memory_answer
    assert max(step.jsd for step in only.conflict.steps) > 0  # equal prompts: the patch alone parts the streams
    assert only.to_dict()["patches"][0]["weight"] == only.patches[0].weight


def test_streamed_and_batched_answers_are_the_same(engine: Engine) -> None:
    engine.patches.build()
    questions = ["Who is the harbour master?", "How many rooms does the tide mill have?"]
    batched = engine.ask_many(questions, patches="only")
    streamed = [list(engine.stream(question, patches="only"))[-1] for question in questions]
    for one, other in zip(batched, streamed, strict=True):
        assert isinstance(other, Answer)
        assert (one.text, one.patches) == (other.text, other.patches)


def test_the_gate_drops_everything(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> None:
    with opened(tmp_path / "library", embeddings, tiny, patch_gate=1.0) as engine:
        engine.add(write_docs(tmp_path / "docs", TEXTS))
        engine.patches.build()
        answer = engine.ask("What about llamas?", patches="only", decoder="plain")
        assert answer.patches == ()
        assert answer.text == answer.conflict.memory_answer


def test_only_without_a_patch_is_refused(engine: Engine) -> None:
    with pytest.raises(PatchError, match="concord patch build"):
        engine.ask("Who is the harbour master?", patches="only")
    assert engine.ask("Who is the harbour master?", patches="auto").patches == ()
    with pytest.raises(SettingError, match="expected one of off, auto, only"):
        engine.ask("Who?", patches="maybe")


def test_a_damaged_patch_is_named(engine: Engine) -> None:
    engine.patches.build()
    for info in engine.patches.ls():
        (engine.patches.store.folder / info.key / folders.WEIGHTS).write_bytes(b"junk")
    with pytest.raises(PatchError, match="is damaged"):
        engine.ask("Who is the harbour master?", patches="only")


def test_patches_of_another_model(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator, engine: Engine) -> None:
    engine.patches.build()
    model = tiny_model("llama")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight *= 1.01
    other = TransformersGenerator(model, tiny_tokenizer(), "tuned")
    with (
        opened(tmp_path / "library", embeddings, other) as refused,
        pytest.raises(PatchError, match="not for this one"),
    ):
        refused.ask("Who is the harbour master?", patches="only")
    with opened(tmp_path / "library", embeddings, other, patch_portable=True) as portable:
        assert portable.ask("Who is the harbour master?", patches="only").patches


def test_removing(engine: Engine) -> None:
    engine.patches.build()
    first, second = engine.patches.ls()
    assert engine.patches.remove([first.key[:8]]) == [first.key]
    assert engine.patches.remove([second.doc_id]) == [second.key]
    assert engine.patches.ls() == []
    with pytest.raises(PatchError, match="no patch 'gone'"):
        engine.patches.remove(["gone"])


def test_adapters_are_named_by_content(engine: Engine) -> None:
    engine.patches.build()
    uses = engine.ask("Who is the harbour master?", patches="only").patches
    again = engine.patches.adapter(uses)
    assert again == engine.patches.adapter(uses)
    assert again is not None
    assert again.folder.name == again.name
    assert engine.patches.adapter(()) is None


class ConstantWriter:
    """A writer that looks at no sample: what a hypernetwork's place in the engine asks for, and no more."""

    fingerprint = "constant"

    def __init__(self, tiny: TransformersGenerator) -> None:
        self._tiny = tiny
        self.base = model_fingerprint(tiny.model)

    def write(
        self, documents: Sequence[Sequence[Sample]], max_documents: int | None = None
    ) -> Iterator[tuple[int, Tensors | PatchError]]:
        for index in range(len(documents)):
            yield index, random_tensors(self._tiny, 2, index)


@pytest.mark.parametrize("kind", ["gradient", "constant"])
def test_every_writer_keeps_the_contract(kind: str, tiny: TransformersGenerator, engine: Engine) -> None:
    writer: PatchWriter = GradientWriter(tiny, FAST) if kind == "gradient" else ConstantWriter(tiny)
    results = dict(writer.write(random_samples(3, 2)))
    assert sorted(results) == [0, 1, 2]
    for tensors in results.values():
        assert not isinstance(tensors, PatchError)
        for layer, (a, b) in tensors.items():
            weight = tiny.model.get_submodule(layer).weight
            assert (b.shape[0], a.shape[1], a.shape[0]) == (*weight.shape, b.shape[1])
    patches = PatchSet(engine.library, engine.config, engine._encoder, lambda: tiny, writer)
    assert len(patches.build().built) == 2
    assert {info.writer for info in patches.ls()} == {writer.fingerprint}


def test_a_document_beyond_the_window_is_reported(tiny: TransformersGenerator) -> None:
    long = [Sample("w5 " * 300, "w6")]
    results = dict(GradientWriter(tiny, FAST).write([long, random_samples(1, 2)[0]]))
    assert isinstance(results[0], PatchError)
    assert not isinstance(results[1], PatchError)


BUILDER = """
import sys
from rag.engine import Engine
from rag.generation.transformers.generator import TransformersGenerator
from tests.conftest import HashEmbeddings
from tests.generation.conftest import tiny_model, tiny_tokenizer
tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")
engine = Engine.open(sys.argv[1], embeddings=HashEmbeddings(), generator=tiny)
print("ready", flush=True)
engine.patches.build(jobs=1)
print("done", flush=True)
"""


@pytest.mark.real
def test_a_killed_build_goes_on(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> None:
    """kill -9 in the middle: what is listed is whole, and the next build makes the rest alone."""
    texts = {f"d{n}": f"The mill of place {n} was built by Aron Pell{n}." for n in range(30)}
    library = tmp_path / "library"
    with opened(library, embeddings, tiny) as engine:
        engine.add(write_docs(tmp_path / "docs", texts))
    command = [sys.executable, "-c", BUILDER, str(library)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    while len(list((library / "patches").glob(f"[!.]*/{folders.MANIFEST}"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with opened(library, embeddings, tiny) as engine:
        done = {info.doc_id for info in engine.patches.ls()}
        assert 3 <= len(done) < 30
        assert engine.patches.store.damaged() == []
        report = engine.patches.build()
        assert set(report.skipped) == done
        assert len(report.built) == 30 - len(done)
        assert not list(engine.patches.store.folder.glob(f"{folders.PARTIAL}*"))
