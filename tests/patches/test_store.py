"""Patches on disk: PEFT reads them, damage is found, nothing half-written stays, folders in use stay.

What holds wherever patches are kept is in test_store_contract.py.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel

from rag.core.errors import PatchError, StorageError
from rag.generation import adapter_folder as folders
from rag.generation.adapters.compose import compose
from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import RowAdapters
from rag.library.adapter_folders import MANIFEST, PARTIAL, write_files
from rag.library.sqlite.patch_files import FolderPatchFiles
from rag.models.fingerprint import folder_fingerprint, model_fingerprint
from rag.patches.base import PatchInfo, Tensors
from rag.patches.base_model import check_base
from rag.patches.sentence_index import SentenceIndex
from rag.patches.store.files import read_tensors
from rag.patches.store.keys import patch_key
from rag.patches.store.patch_store import PatchStore
from rag.patches.training.twin import frozen_twin
from tests.generation.conftest import tiny_model
from tests.patches.conftest import random_tensors

IDS = torch.arange(3, 30)[None]


def info(number: int, base: str = "base") -> PatchInfo:
    return PatchInfo(patch_key(f"document {number}", base, "w"), f"d{number}", "T", "h", base, "tiny", "fast", "w", 3)


def store_at(folder: Path, max_mib: float = 10, memory_mib: float = 10) -> PatchStore:
    return PatchStore(FolderPatchFiles(folder), max_mib, memory_mib)


@pytest.fixture
def tensors(tiny: TransformersGenerator) -> Tensors:
    return random_tensors(tiny, 2, 1)


@pytest.mark.parametrize("layers", [(0, 1, 2), (1, 2)])
def test_peft_loads_the_folder_unchanged(tiny: TransformersGenerator, tmp_path: Path, layers: tuple[int, ...]) -> None:
    """A stored patch, and a composed one: PEFT's logits are those of the rows that run with it."""
    index = SentenceIndex("encoder", np.ones(3, dtype=np.float32), np.ones((2, 3), dtype=np.float32))
    saved, _ = store_at(tmp_path).save(info(1), random_tensors(tiny, 2, 1, layers), index=index)
    parts = [(random_tensors(tiny, 2, 1, layers), 0.5), (random_tensors(tiny, 3, 2, layers), 1.0)]
    composed = compose(parts, max_rank=8)
    whole = tmp_path / "whole"
    write_files(whole, folders.adapter_files(composed.tensors, "tiny"))
    for place in (tmp_path / saved.key, whole):
        with torch.inference_mode():
            expected = PeftModel.from_pretrained(frozen_twin(tiny.model), place).double()(IDS).logits
            with RowAdapters(tiny.model).applied([Adapter.single("x", read_tensors(place))]):
                got = tiny.model(IDS).logits
            torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-6)
            assert not torch.allclose(got, tiny.model(IDS).logits, atol=1e-2)


@pytest.mark.parametrize("damage", ["truncated", "altered", "no weights", "no manifest", "manifest", "config"])
def test_damage_is_named(tmp_path: Path, tensors: Tensors, damage: str) -> None:
    store = store_at(tmp_path)
    key = store.save(info(1), tensors)[0].key
    weights, manifest = tmp_path / key / folders.WEIGHTS, tmp_path / key / MANIFEST
    content = bytearray(weights.read_bytes())
    match damage:
        case "truncated":
            weights.write_bytes(content[: len(content) // 2])
        case "altered":
            content[-5] ^= 1
            weights.write_bytes(content)
        case "no weights":
            weights.unlink()
        case "no manifest":
            manifest.unlink()
        case "manifest":
            manifest.write_text("{")
        case "config":
            (tmp_path / key / folders.CONFIG).write_text('{"r": 2}')
    with pytest.raises(PatchError, match=key):
        store.load(key)
    assert store.damaged() == [key]
    assert store.unreadable() == ([key] if damage in ("no manifest", "manifest") else [])
    store.remove([key])
    assert store.damaged() == []


def test_a_foreign_adapter_keeps_its_scale(tmp_path: Path, tensors: Tensors) -> None:
    """alpha 4 at rank 2: the change is twice the product."""
    write_files(tmp_path / "x", folders.adapter_files(tensors, "tiny"))
    config = tmp_path / "x" / folders.CONFIG
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": 4}))
    name, (a, _) = next(iter(tensors.items()))
    torch.testing.assert_close(read_tensors(tmp_path / "x")[name][0], a * 2)


def test_a_full_disk_leaves_nothing(tmp_path: Path, tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error that the system gives, at the second file of a patch."""
    calls = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    store = store_at(tmp_path)
    with pytest.raises(StorageError, match="the disk is full; nothing of it was written"):
        store.save(info(1), tensors)
    assert os.listdir(tmp_path) == [".lock"]
    store.save(info(1), tensors)  # the next one finds room
    assert len(store.ls()) == 1


def test_leftovers_of_a_kill_are_cleaned(tmp_path: Path, tensors: Tensors) -> None:
    store = store_at(tmp_path)
    store.save(info(1), tensors)
    (tmp_path / f"{PARTIAL}xyz").mkdir()
    assert len(store.ls()) == 1
    store.clean()
    assert not list(tmp_path.glob(f"{PARTIAL}*"))


def test_folders_of_single_questions_are_cleaned_away(tmp_path: Path) -> None:
    """Older versions wrote one for each set of patches, without end."""
    store = store_at(tmp_path)
    (tmp_path / "composed" / ("0" * 32)).mkdir(parents=True)
    store.clean()
    assert not (tmp_path / "composed").exists()


def test_another_base_is_refused(tensors: Tensors) -> None:
    patch = replace(info(1, base="one"), base_name="tiny-1")
    with pytest.raises(PatchError, match=r"made for model 'tiny-1' \(one\), not for this one \(two\).*--portable"):
        check_base(patch, "two", is_portable=False)
    check_base(patch, "two", is_portable=True)
    check_base(patch, "one", is_portable=False)


def test_fingerprints_tell_models_apart(tiny: TransformersGenerator, tmp_path: Path) -> None:
    same, half = tiny_model("llama"), tiny_model("llama").to(torch.bfloat16)
    other = tiny_model("llama")
    with torch.no_grad():
        other.model.layers[1].mlp.up_proj.weight += 0.01
    expected = model_fingerprint(tiny.model)
    assert expected == model_fingerprint(same) == model_fingerprint(half)
    assert expected != model_fingerprint(other)
    tiny_model("llama").save_pretrained(tmp_path)
    assert folder_fingerprint(tmp_path) == expected
