"""Folders of adapters for vLLM: written when they are asked for, and safe from removal while a request lasts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed")

from rag.core.errors import SettingError
from rag.core.process.leases import remove_unless_leased
from rag.generation.base import Adapter
from rag.generation.vllm.local import _Adapters


def test_a_folder_stays_while_its_request_lasts(tmp_path: Path) -> None:
    tensors = {"model.layers.0.mlp.up_proj": (torch.ones(2, 8), torch.ones(16, 2))}
    adapter, trash = Adapter("a", 2, tmp_path / "composed" / "a", tensors), tmp_path / "trash"
    adapters = _Adapters("tiny")
    with pytest.raises(SettingError, match="the vLLM engine takes none"), adapters.request(adapter):
        pass
    assert not adapter.folder.exists()
    adapters.max_rank = 8
    for _ in range(2):  # once more after it was removed
        with adapters.request(adapter) as request:
            assert (request.lora_path, request.lora_int_id) == (str(adapter.folder), 1)
            assert not remove_unless_leased(adapter.folder, trash)
            assert (adapter.folder / "adapter_model.safetensors").is_file()
        assert remove_unless_leased(adapter.folder, trash)
        assert not adapter.folder.exists()


def test_no_adapter_is_no_request() -> None:
    with _Adapters("tiny").request(None) as request:
        assert request is None
