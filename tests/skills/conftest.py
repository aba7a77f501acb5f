"""Skills of a tiny random model, by PEFT, which is the reference."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from rag.generation.transformers.generator import TransformersGenerator
from rag.models.fingerprint import model_fingerprint
from rag.skills.card import SkillCard
from rag.skills.store import SkillStore
from tests.generation.conftest import tiny_model, tiny_tokenizer

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture(scope="session")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=4096)


@pytest.fixture(scope="session")
def base(tiny: TransformersGenerator) -> str:
    return model_fingerprint(tiny.model)


@pytest.fixture
def store(tmp_path: Path) -> SkillStore:
    return SkillStore(tmp_path / "cache" / "skills", tmp_path / "shipped")


def peft_model(tiny: TransformersGenerator, seed: int = 0, scale: float = 0.1, **settings: Any) -> Any:
    """A PEFT model with random weights of this size; 0 changes nothing."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    values: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": list(MODULES)} | settings
    model = get_peft_model(copy.deepcopy(tiny.model), LoraConfig(**values))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=scale)
    return model.eval()


def make_card(base: str, **values: Any) -> SkillCard:
    fields: dict[str, Any] = {"name": "reader", "kind": "reader", "base_name": "tiny", "rank": 0, "modules": ()}
    return SkillCard(base=base, **fields | values)


def random_skill(tiny: TransformersGenerator, seed: int = 0, scale: float = 0.1) -> dict[str, Any]:
    """Tensors by layer, all seven projections, rank 3."""
    generator = torch.Generator().manual_seed(seed)
    layers = {n: m for n, m in tiny.model.named_modules() if n.rpartition(".")[2] in MODULES}
    return {
        name: tuple(
            torch.randn(*shape, generator=generator, dtype=torch.float32) * scale
            for shape in ((3, module.weight.shape[1]), (module.weight.shape[0], 3))
        )
        for name, module in layers.items()
    }
