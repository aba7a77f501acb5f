"""Packed layers compute what the plain ones do, and a model that they do not suit stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rag.models.packed import PackedLinear, pack


class LetterModel(torch.nn.Module):
    """Vectors of texts from their first letters; as much of a sentence encoder as is packed."""

    device = torch.device("cpu")

    def __init__(self, looks_at_weights: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(8, 32)
        self.second = torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(32, 6, bias=False))
        self.looks_at_weights = looks_at_weights

    def encode(self, texts: list[str], **settings: Any) -> Any:
        codes = [[ord(char) / 128 for char in text.ljust(8)[:8]] for text in texts]
        with torch.inference_mode():
            values = torch.tensor(codes)
            if self.looks_at_weights:
                values = values.to(self.first.weight.dtype)
            return torch.nn.functional.normalize(self.second(self.first(values)), dim=1).numpy()


TEXTS = ["ferry", "a grand piano", ""]


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="this PyTorch was built without oneDNN")
def test_every_linear_layer_is_packed_and_the_vectors_stay() -> None:
    model: Any = LetterModel()
    before = model.encode(TEXTS)
    assert pack(model)
    assert isinstance(model.first, PackedLinear)
    assert isinstance(model.second[1], PackedLinear)
    assert np.allclose(before, model.encode(TEXTS), atol=1e-5)


def test_a_model_that_looks_at_its_weights_stays_as_it_is() -> None:
    model: Any = LetterModel(looks_at_weights=True)
    before = model.encode(TEXTS)
    assert not pack(model)
    assert type(model.first) is torch.nn.Linear
    assert np.array_equal(before, model.encode(TEXTS))


def test_half_precision_is_not_packed() -> None:
    model: Any = LetterModel()
    model.half()
    model.encode = lambda texts, **settings: np.zeros((len(texts), 6), np.float32)
    assert not pack(model)
    assert type(model.second[1]) is torch.nn.Linear


CACHES = """
import re, sys
from pathlib import Path
import torch
from rag.models import packed

def anonymous_mib():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

if sys.argv[1] == "bounded":
    packed.bound_caches()
layer = packed.PackedLinear(torch.nn.Linear(384, 1536))
with torch.inference_mode():
    layer(torch.zeros(1, 384))
    before = anonymous_mib()
    for rows in range(2, 300):
        layer(torch.zeros(rows, 384))
print(anonymous_mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory of a process")
@pytest.mark.skipif(not torch._C._has_mkldnn, reason="this PyTorch was built without oneDNN")
def test_texts_of_many_lengths_leave_little_behind() -> None:
    environ = {key: value for key, value in os.environ.items() if "CACHE_CAPACITY" not in key}
    grown = {
        kind: float(subprocess.check_output([sys.executable, "-c", CACHES, kind], env=environ, text=True))
        for kind in ("bounded", "unbounded")
    }
    assert grown["bounded"] < grown["unbounded"] / 2, grown
