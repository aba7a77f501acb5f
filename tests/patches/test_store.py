"""Patches on disk: PEFT reads them, damage is found, nothing half-written stays, folders in use stay.

What holds wherever patches are kept is in test_store_contract.py.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from rag.core.errors import PatchError, StorageError
from rag.generation import adapter_folder as folders
from rag.generation.adapter_folder import lease_folder
from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import RowAdapters, num_bytes
from rag.library.adapter_folders import MANIFEST, PARTIAL, find_folders
from rag.library.sqlite.patch_files import FolderPatchFiles
from rag.models.fingerprint import folder_fingerprint, model_fingerprint
from rag.patches.base import PatchInfo, Tensors
from rag.patches.base_model import check_base
from rag.patches.compose import compose
from rag.patches.store.files import read_tensors
from rag.patches.store.keys import patch_key
from rag.patches.store.patch_store import PatchStore
from rag.patches.training.twin import frozen_twin
from tests.conftest import ROOT
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
    saved, _ = store_at(tmp_path).save(info(1), random_tensors(tiny, 2, 1, layers))
    parts = [(random_tensors(tiny, 2, 1, layers), 0.5), (random_tensors(tiny, 3, 2, layers), 1.0)]
    composed = compose(parts, max_rank=8)
    adapter = Adapter("c", composed.rank, tmp_path / "composed" / "c", composed.tensors)
    with lease_folder(adapter, "tiny"):
        pass
    for place in (tmp_path / saved.key, adapter.folder):
        with torch.inference_mode():
            expected = PeftModel.from_pretrained(frozen_twin(tiny.model), place).double()(IDS).logits
            with RowAdapters(tiny.model).applied([Adapter("x", 1, place, read_tensors(place))]):
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
    folders.write_files(tmp_path / "x", folders.adapter_files(tensors, "tiny"))
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


def composed_adapter(store: PatchStore, number: int, tensors: Tensors) -> Adapter:
    name = f"{number:032}"
    return Adapter(name, 2, store.composed / name, tensors)


def test_composed_folders_count_in_the_limit(tmp_path: Path, tensors: Tensors) -> None:
    """A question each, as an engine that loads from disk asks for them: the store stays within its limit."""
    saved, _ = store_at(tmp_path).save(info(0), tensors)
    store = store_at(tmp_path, max_mib=5 * saved.size_bytes / 2**20)
    keys = [saved.key, store.save(info(1), tensors)[0].key]
    for number in range(20):
        store.trim()
        with lease_folder(composed_adapter(store, number, tensors), "tiny"):
            assert store.size_bytes <= store.max_bytes + saved.size_bytes
    store.trim()
    assert len(find_folders(store.composed)) == 3
    assert store.size_bytes <= store.max_bytes
    assert all(key in store for key in keys)
    store.save(info(2), tensors)  # a patch goes before composed folders, which cost no training
    assert len(find_folders(store.composed)) == 2
    assert composed_adapter(store, 19, tensors).folder.is_dir()


def test_a_folder_in_use_is_never_removed(tmp_path: Path, tensors: Tensors) -> None:
    """In use by another process: the lease of a killed one ends with it."""
    size_mib = (num_bytes(tensors) + 4096) / 2**20
    store = store_at(tmp_path, max_mib=1.5 * size_mib)
    held, other = (composed_adapter(store, number, tensors) for number in (1, 2))
    with lease_folder(held, "tiny"):
        pass
    command = [sys.executable, "-c", HOLDER, str(held.folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with lease_folder(other, "tiny"):
        pass
    store.trim()
    assert held.folder.is_dir()
    assert not other.folder.is_dir()
    process.kill()
    process.wait()
    process.stdout.close()
    with lease_folder(other, "tiny"):
        store.trim()
    assert not held.folder.is_dir()
    assert other.folder.is_dir()


HOLDER = """
import sys, time
from pathlib import Path
from rag.core.process.leases import leased
with leased(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    time.sleep(600)
"""


def test_leases_and_removals_race(tmp_path: Path, tensors: Tensors) -> None:
    """Threads that use two folders while another removes whatever it may: whoever has the lease has the folder."""
    store = store_at(tmp_path, max_mib=0.001)
    adapters = [composed_adapter(store, number, tensors) for number in (1, 2)]

    def use(number: int) -> None:
        for _ in range(30):
            with lease_folder(adapters[number % 2], "tiny"):
                assert read_tensors(adapters[number % 2].folder).keys() == tensors.keys()

    with ThreadPoolExecutor(5) as pool:
        users = [pool.submit(use, number) for number in range(4)]
        while not all(user.done() for user in users):
            store.trim()
    assert [user.result() for user in users] == [None] * 4
    store.trim()
    assert find_folders(store.composed) == []


def test_leftovers_among_the_composed_are_cleaned(tmp_path: Path, tensors: Tensors) -> None:
    store = store_at(tmp_path)
    (store.composed / f"{PARTIAL}xyz").mkdir(parents=True)
    store.trim()
    assert not list(store.composed.glob(f"{PARTIAL}*"))


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
