"""``engine.patches`` over a tiny model: building, resuming, asking, refusing; any writer in the trainer's place."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from rag import Answer, Engine
from rag.core.answer import PatchUse
from rag.core.errors import LibraryError, PatchError, SettingError, StorageError
from rag.core.process.lazy import lazy_property
from rag.generation import adapter_folder as folders
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.library.adapter_folders import MANIFEST, PARTIAL
from rag.library.sqlite.patch_files import FolderPatchFiles
from rag.models.fingerprint import model_fingerprint
from rag.patches import patchset as patchsets
from rag.patches.base import PatchDocument, PatchWriter, Sample, WrittenPatch
from rag.patches.base_model import BaseModel
from rag.patches.choosing import Chooser
from rag.patches.patchset import PatchSet
from rag.patches.profiles import FAST
from rag.patches.questions.source import build_source
from rag.patches.training.trainer import Trainer
from rag.patches.training.writer import GradientWriter
from tests.conftest import HashEmbeddings
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.patches.conftest import random_samples, random_tensors
from tests.processes import start

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


def opened(folder: Path | str, embeddings: Any, generator: TransformersGenerator, **settings: Any) -> Engine:
    """An engine whose patches change what the tiny model says, whatever the question."""
    defaults = {"patch_gate": -1.0, "patch_profile": "fast"}
    return Engine.open(folder, embeddings=embeddings, generator=generator, max_tokens=8, **(defaults | settings))


@pytest.fixture
def shared(place: str, tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> Iterator[Engine]:
    """An engine over each kind of library."""
    with opened(place, embeddings, tiny) as engine:
        engine.add(write_docs(tmp_path / "docs", TEXTS))
        yield engine


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
    use, none = engine.patches.find_or_build(documents)
    assert none is None
    assert use is not None
    assert (use.doc_id, use.weight) == ("mill", 1.0)
    assert engine.patches.find_or_build(documents) == [use, None]
    assert [info.key for info in engine.patches.ls()] == [use.key]
    assert engine.patches.adapter([use]) is not None


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


def test_asking_with_patches(shared: Engine) -> None:
    engine = shared
    engine.patches.build()
    question = "Who is the harbour master?"
    off, auto, only = (
        engine.ask(question, patches=mode, decoder="plain", verdict=False) for mode in ("off", "auto", "only")
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
        (engine.patches.store.scratch / info.key / folders.WEIGHTS).write_bytes(b"junk")
    with pytest.raises(PatchError, match="is damaged"):
        engine.ask("Who is the harbour master?", patches="only")


def test_a_patch_that_goes_after_it_was_chosen(shared: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evicted by another process between retrieval and generation: the answer does without it, and says so."""
    shared.patches.build()
    uses = [PatchUse(info.doc_id, info.key, 1.0) for info in shared.patches.ls()]
    monkeypatch.setattr(Chooser, "choose", lambda *args: uses)
    question = "Who is the harbour master?"
    shared.patches.remove([uses[1].key])
    for mode in ("auto", "only"):
        answer = shared.ask(question, patches=mode)
        assert answer.patches == (uses[0],)
        assert f"Answered without the patch of {uses[1].doc_id}: there is no patch {uses[1].key}" in answer.notice
    shared.patches.remove([uses[0].key])
    without = shared.ask(question, patches="auto")
    assert without.patches == ()
    assert without.citations
    assert "Answered without the patch of" in without.notice
    with pytest.raises(PatchError, match="there is no patch"):
        shared.ask(question, patches="only")


def test_a_store_out_of_reach(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.patches.build()

    def fail(*args: Any) -> Any:
        raise StorageError("postgresql://db/town: the server closed the connection")

    monkeypatch.setattr(FolderPatchFiles, "known", fail)
    answer = engine.ask("Who is the harbour master?", patches="auto")
    assert answer.patches == ()
    assert answer.notice.startswith("Answered without patches: postgresql://db/town")
    with pytest.raises(StorageError, match="closed the connection"):
        engine.ask("Who is the harbour master?", patches="only")


def test_a_rank_over_the_engines_limit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.patches.build()

    def refuse(self: TransformersGenerator, adapter: Adapter) -> None:
        raise SettingError(f"the patches have rank {adapter.rank}, and vLLM takes up to 1")

    monkeypatch.setattr(TransformersGenerator, "check_adapter", refuse)
    answer = engine.ask("Who is the harbour master?", patches="auto")
    assert answer.patches == ()
    assert answer.citations
    assert re.fullmatch(r"Answered without patches: the patches have rank \d+, and vLLM takes up to 1\.", answer.notice)
    with pytest.raises(SettingError, match="takes up to 1"):
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
    with opened(tmp_path / "library", embeddings, other) as without:
        answer = without.ask("Who is the harbour master?", patches="auto")
        assert answer.patches == ()
        assert "made for model" in answer.notice
    with opened(tmp_path / "library", embeddings, other, patch_portable=True) as portable:
        assert portable.ask("Who is the harbour master?", patches="only").patches


def test_removing(shared: Engine) -> None:
    engine = shared
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
    assert engine.patches.adapter(()) is None


class TextWriter:
    """A writer that reads the text alone and writes in one pass: all that a hypernetwork needs of the engine."""

    fingerprint = "text"

    def __init__(self, tiny: TransformersGenerator) -> None:
        self._tiny = tiny
        self.base = model_fingerprint(tiny.model)
        self.patch_bytes = 2**16

    def write(
        self, documents: Sequence[PatchDocument], max_documents: int | None = None
    ) -> Iterator[tuple[int, WrittenPatch | PatchError]]:
        for index, document in enumerate(documents):
            if not document.text:
                yield index, PatchError("it has no text")
            yield index, WrittenPatch(random_tensors(self._tiny, 2, seed=len(document.text)))


def build_writer(kind: str, tiny: TransformersGenerator, folder: Path) -> PatchWriter:
    return GradientWriter(tiny, FAST, build_source(FAST, tiny, folder)) if kind == "gradient" else TextWriter(tiny)


DOCUMENTS = [PatchDocument(name, name, text, f"hash of {name}") for name, text in TEXTS.items() if name != "short"]


@pytest.mark.parametrize("kind", ["gradient", "text"])
def test_every_writer_keeps_the_contract(kind: str, tiny: TransformersGenerator, engine: Engine) -> None:
    writer = build_writer(kind, tiny, engine.patches.store.scratch)
    results = dict(writer.write(DOCUMENTS))
    assert sorted(results) == [0, 1]
    for result in results.values():
        assert isinstance(result, WrittenPatch)
        assert len(folders.adapter_files(result.tensors, "tiny")[folders.WEIGHTS]) <= writer.patch_bytes
        for layer, (a, b) in result.tensors.items():
            weight = tiny.model.get_submodule(layer).weight
            assert (b.shape[0], a.shape[1], a.shape[0]) == (*weight.shape, b.shape[1])
    patches = PatchSet(engine.library, engine.config, engine._encoder, lambda: tiny, writer)
    assert len(patches.build().built) == (2 if kind == "gradient" else 3)
    assert {info.writer for info in patches.ls()} == {writer.fingerprint}


def test_a_document_beyond_the_window_is_reported(tiny: TransformersGenerator) -> None:
    long = [Sample("w5 " * 300, "w6")]
    results = dict(Trainer(tiny, FAST).train([long, random_samples(1, 2)[0]]))
    assert isinstance(results[0], PatchError)
    assert not isinstance(results[1], PatchError)


def test_two_threads_load_one_writer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A property without a lock, as functools.cached_property from Python 3.12 on, makes one for each thread."""
    num_made = []

    class SlowWriter(GradientWriter):
        def __init__(self, *args: Any) -> None:
            num_made.append(1)
            time.sleep(0.2)  # gives the other thread every chance
            super().__init__(*args)

    monkeypatch.setattr(patchsets, "GradientWriter", SlowWriter)
    patches = engine.patches
    with ThreadPoolExecutor(4) as pool:
        writers = list(pool.map(lambda _: patches.writer, range(4)))
    assert len(num_made) == 1
    assert len(set(map(id, writers))) == 1
    assert all(isinstance(vars(kind)[name], lazy_property) for kind, name in LAZY)


LAZY = [(PatchSet, "writer"), (BaseModel, "trainable"), (BaseModel, "fingerprint")]


def test_a_full_store_is_said_before_training(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> None:
    """Room for 2 of 6 patches: two are built and stay, the others are not trained, now or by the next build."""
    texts = {f"d{n}": f"The mill of place {n} was built by Aron Pell{n}." for n in range(6)}
    with opened(tmp_path / "library", embeddings, tiny) as engine:
        patch_mib = engine.patches.writer.patch_bytes / 2**20
    with opened(tmp_path / "library", embeddings, tiny, patch_store_mib=2.5 * patch_mib) as engine:
        engine.add(write_docs(tmp_path / "docs", texts))
        trained = count_trained(engine)
        report = engine.patches.build()
        assert sorted(report.built) == sorted(info.doc_id for info in engine.patches.ls())
        assert (len(report.built), len(report.left_out), report.failed, report.evicted) == (2, 4, (), ())
        assert "4 documents got no patch" in report.warning
        assert "patch_store_mib" in report.warning
        again = engine.patches.build()
        assert (again.built, len(again.skipped), len(again.left_out)) == ((), 2, 4)
        assert sum(trained) == 2
        with pytest.raises(PatchError, match="got no patch"):
            engine.patches.find_or_build([PatchDocument(n, "", text, f"h{n}") for n, text in texts.items()])


def test_evictions_are_reported(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> None:
    with opened(tmp_path / "library", embeddings, tiny) as engine:
        patch_mib = engine.patches.writer.patch_bytes / 2**20
    with opened(tmp_path / "library", embeddings, tiny, patch_store_mib=1.5 * patch_mib) as engine:
        engine.add(write_docs(tmp_path / "docs", TEXTS))
        by_name = {Path(document.source).stem: document.doc_id for document in engine.documents()}
        assert engine.patches.build([by_name["mill"]]).evicted == ()
        report = engine.patches.build([by_name["harbour"]])
        assert (report.built, report.evicted) == ((by_name["harbour"],), (by_name["mill"],))


def count_trained(engine: Engine) -> list[int]:
    """Counts the documents of each training step group from now on."""
    trainer, counts = engine.patches.writer._trainer, []  # type: ignore[attr-defined]
    train = trainer._train

    def counted(documents: Sequence[Any]) -> Any:
        counts.append(len(documents))
        return train(documents)

    trainer._train = counted
    return counts


def build_patches(library: str) -> None:
    """For a process of its own, which makes the same tiny model."""
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")
    with Engine.open(library, embeddings=HashEmbeddings(), generator=tiny, patch_profile="fast") as engine:
        engine.patches.build(jobs=1)


@pytest.mark.real
def test_a_killed_build_goes_on(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> None:
    """kill -9 in the middle: what is listed is whole, and the next build makes the rest alone."""
    texts = {f"d{n}": f"The mill of place {n} was built by Aron Pell{n}." for n in range(30)}
    library = tmp_path / "library"
    with opened(library, embeddings, tiny) as engine:
        engine.add(write_docs(tmp_path / "docs", texts))
    process = start(build_patches, str(library))
    deadline = time.monotonic() + 180
    while len(list((library / "patches").glob(f"[!.]*/{MANIFEST}"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    with opened(library, embeddings, tiny) as engine:
        done = {info.doc_id for info in engine.patches.ls()}
        assert 3 <= len(done) < 30
        assert engine.patches.store.damaged() == []
        report = engine.patches.build()
        assert set(report.skipped) == done
        assert len(report.built) == 30 - len(done)
        assert not list(engine.patches.store.scratch.glob(f"{PARTIAL}*"))
