"""What a store of patches promises, wherever the library keeps them: whole, within its limit, shared by processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from rag.core.errors import PatchError, StorageError
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import num_bytes
from rag.library.adapter_folders import WEIGHTS
from rag.library.base import Library
from rag.library.open import open_library
from rag.library.patch_files import PatchFiles
from rag.patches.base import Tensors
from rag.patches.sentence_index import SentenceIndex
from rag.patches.store.patch_store import PatchStore
from tests.patches.conftest import random_tensors
from tests.patches.test_store import info


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    library = open_library(place)
    yield library
    library.close()


@pytest.fixture
def files(library: Library) -> PatchFiles:
    return library.patch_files()


@pytest.fixture
def tensors(tiny: TransformersGenerator) -> Tensors:
    return random_tensors(tiny, 2, 1)


def store_over(files: PatchFiles, max_mib: float = 10, memory_mib: float = 10) -> PatchStore:
    return PatchStore(files, max_mib, memory_mib)


def mib(tensors: Tensors) -> float:
    return (num_bytes(tensors) + 4096) / 2**20


def test_what_is_saved_is_loaded(place: str, files: PatchFiles, tensors: Tensors) -> None:
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    saved, evicted = store_over(files).save(info(1), tensors, index=SentenceIndex("Encoder", rows[0], rows[1:]))
    assert evicted == []
    other = open_library(place, must_exist=True)  # as another process opens it
    store = store_over(other.patch_files())
    read_info, loaded, index = store.load(saved.key)
    assert index is not None
    assert (index.encoder, index.vectors.shape) == ("Encoder", (3, 6))
    assert np.allclose(np.vstack([index.probe[None], index.vectors]), rows, atol=4e-3)  # float16
    assert read_info == saved
    assert (read_info.rank, read_info.size_bytes > 0) == (2, True)
    assert all(torch.equal(loaded[name][side], pair[side]) for name, pair in tensors.items() for side in (0, 1))
    assert store.ls() == [saved]
    assert store.known([saved.key, "0" * 32]) == {saved.key}
    assert store.size_bytes == saved.size_bytes
    assert (store.damaged(), store.unreadable()) == ([], [])
    assert len(store.fetch(saved.key)[WEIGHTS]) == saved.size_bytes
    other.close()


def test_there_is_none(files: PatchFiles) -> None:
    store = store_over(files)
    assert store.ls() == []
    assert "0" * 32 not in store
    for call in (store.load, store.fetch):
        with pytest.raises(PatchError, match="there is no patch 00"):
            call("0" * 32)


def test_a_patch_is_never_changed(files: PatchFiles, tiny: TransformersGenerator, tensors: Tensors) -> None:
    """Two processes that trained the same document: the first one's stays, whole."""
    store = store_over(files)
    saved, _ = store.save(info(1), tensors)
    store.save(info(1), random_tensors(tiny, 2, 7))
    assert store.ls() == [saved]
    assert store.damaged() == []


@pytest.mark.parametrize("num_bytes_left", [0, 100])
def test_damage_is_named(library: Library, files: PatchFiles, tensors: Tensors, num_bytes_left: int) -> None:
    store = store_over(files, memory_mib=0)
    key = store.save(info(1), tensors)[0].key
    cut_weights(library, key, num_bytes_left)
    assert store.damaged() == [key]
    for call in (store.load, store.fetch):
        with pytest.raises(PatchError, match=f"{key} is damaged"):
            call(key)
    store.remove([key])
    assert store.damaged() == []


def cut_weights(library: Library, key: str, num_bytes_left: int) -> None:
    if library.folder is not None:
        file = library.folder / "patches" / key / WEIGHTS
        file.write_bytes(file.read_bytes()[:num_bytes_left])
        return
    with library.database.transaction() as db:  # type: ignore[attr-defined]
        db.execute("UPDATE patches SET weights = substring(weights, 1, %s) WHERE key = %s", (num_bytes_left, key))


def test_the_least_recently_used_goes(files: PatchFiles, tensors: Tensors) -> None:
    store = store_over(files, max_mib=3 * mib(tensors), memory_mib=0)
    keys = [store.save(info(number), tensors)[0].key for number in range(3)]
    store.load(keys[0])
    saved, evicted = store.save(info(3), tensors)
    assert evicted == ["d1"]
    assert store.known([*keys, saved.key]) == {keys[0], keys[2], saved.key}
    assert store.size_bytes <= store.max_bytes


def test_memory_is_bounded(files: PatchFiles, tensors: Tensors) -> None:
    size_mib = num_bytes(tensors) / 2**20
    store = store_over(files, memory_mib=2.5 * size_mib)
    keys = [store.save(info(number), tensors)[0].key for number in range(6)]
    for key in [*keys, *keys]:
        store.load(key)
        assert store.memory_bytes <= 2.5 * size_mib * 2**20
    assert store.load(keys[5])[1] is store.load(keys[5])[1]
    assert store_over(files, memory_mib=0).load(keys[0])[1].keys() == tensors.keys()


def test_larger_than_the_store_is_refused(files: PatchFiles, tensors: Tensors) -> None:
    store = store_over(files)
    key = store.save(info(0), tensors)[0].key
    with pytest.raises(PatchError, match="raise patch_store_mib"):
        store_over(files, max_mib=0.001).save(info(1), tensors)
    assert [patch.key for patch in store.ls()] == [key]  # nothing was removed for it


def test_numbers_that_are_not_finite_are_refused(files: PatchFiles, tensors: Tensors) -> None:
    name, (a, b) = next(iter(tensors.items()))
    with pytest.raises(PatchError, match="d1 diverged"):
        store_over(files).save(info(1), {**tensors, name: (a * float("nan"), b)})


def test_removing_an_unknown_patch_removes_none(files: PatchFiles, tensors: Tensors) -> None:
    store = store_over(files)
    key = store.save(info(1), tensors)[0].key
    with pytest.raises(PatchError, match="no patch 'beef'"):
        store.remove([key, "beef"])
    assert key in store
    store.remove([key])
    assert key not in store


def test_protected_patches_stay(files: PatchFiles, tensors: Tensors) -> None:
    store = store_over(files, max_mib=2 * mib(tensors))
    keys = [store.save(info(number), tensors)[0].key for number in range(2)]
    assert store.num_that_fit(num_bytes(tensors), keys[:1]) == 1
    assert store.num_that_fit(num_bytes(tensors), keys) == 0
    with pytest.raises(PatchError, match="leaves no room"):
        store.save(info(2), tensors, protected=keys)
    assert store.known(keys) == set(keys)
    _, evicted = store.save(info(2), tensors, protected=keys[1:])
    assert evicted == ["d0"]


def test_the_limit_holds_over_all_writers(place: str, library: Library, tensors: Tensors) -> None:
    """Eight processes' worth of stores save at once into room for three."""
    opened = [open_library(place) for _ in range(4)]
    stores = [store_over(one.patch_files(), max_mib=3 * mib(tensors)) for one in opened]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: stores[number % 4].save(info(number), tensors), range(16)))
    store = store_over(library.patch_files(), max_mib=3 * mib(tensors))
    assert len(store.ls()) == 3
    assert store.damaged() == []
    for one in opened:
        one.close()


def test_a_writer_that_fails_changes_nothing(files: PatchFiles, tensors: Tensors) -> None:
    """The same in both kinds: what was put before the error is whole, or not there."""
    store = store_over(files)
    key = store.save(info(1), tensors)[0].key
    with pytest.raises(StorageError, match="on purpose"), files.writing():
        raise StorageError("on purpose")
    store.save(info(2), tensors)  # the lock is free again
    assert key in store
    assert store.damaged() == []


def test_scratch_is_a_folder_of_this_machine(files: PatchFiles) -> None:
    assert isinstance(files.scratch, Path)
    assert files.scratch == files.scratch
