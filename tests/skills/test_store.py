"""Skills on disk: as PEFT writes them, whole or absent, and nothing else."""

from __future__ import annotations

import json
import time
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from rag.core.errors import SettingError, SkillError
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import RowAdapters
from rag.skills.card import SkillCard, read_card
from rag.skills.store import Skill, SkillStore, open_skill, read_tensors
from tests.processes import start
from tests.skills.conftest import MODULES, make_card, peft_model, random_skill

IDS = torch.tensor([list(range(20, 50))])


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True, "lora_alpha": 3}, {"target_modules": ["q_proj"]}])
def test_a_folder_of_peft_runs_as_it_does_in_peft(
    tiny: TransformersGenerator, base: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    reference = peft_model(tiny, **settings)
    reference.save_pretrained(tmp_path)
    (tmp_path / "skill.json").write_text(make_card(base).to_json())
    tensors, _ = read_tensors(open_skill(tmp_path))
    adapter = Adapter.single("peft", tensors)
    with torch.inference_mode(), RowAdapters(tiny.model).applied([adapter]) as model:
        torch.testing.assert_close(model(IDS).logits, reference(IDS).logits, atol=2e-5, rtol=1e-4)


def test_saved_skills_are_listed_and_read_back(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    tensors = random_skill(tiny)
    saved = store.save(tensors, make_card(base, after={"f1": 0.5}, instruction="Read."))
    assert saved.folder.name == f"reader-{base[:8]}"
    (listed,) = store.ls()
    assert listed == saved
    assert listed.card.rank == 3
    assert set(listed.card.modules) == set(MODULES)
    read, _ = read_tensors(listed)
    assert all(
        torch.equal(one, other) for name in tensors for one, other in zip(read[name], tensors[name], strict=True)
    )
    assert store.inspect("reader") == saved
    assert store.remove(["reader"]) == [saved.folder.name]
    assert store.ls() == []


def test_training_again_replaces(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    store.save(random_skill(tiny, 1), make_card(base, seed=1))
    store.save(random_skill(tiny, 2), make_card(base, seed=2))
    assert [skill.card.seed for skill in store.ls()] == [2]
    assert sorted(path.name for path in store.folder.iterdir()) == [".lock", f"reader-{base[:8]}"]


def test_a_kill_between_the_two_moves_leaves_the_old_skill(
    tiny: TransformersGenerator, base: str, store: SkillStore
) -> None:
    folder = store.save(random_skill(tiny), make_card(base)).folder
    folder.rename(folder.with_name(f".old-{folder.name}"))
    assert [skill.folder for skill in store.ls()] == [folder]


def save_again_and_again(folder: Path, number: Connection) -> None:
    """For a process of its own: save one skill after the other, and send the number of each."""
    store = SkillStore(folder)
    for seed in count(1):
        tensors = {"model.layers.0.mlp.up_proj": (torch.full((2, 8), float(seed)), torch.ones(8, 2))}
        store.save(tensors, SkillCard("reader", "reader", "0" * 16, "tiny", 0, (), seed=seed))
        number.send(seed)


@pytest.mark.real
def test_kill_9_leaves_one_whole_skill(tmp_path: Path) -> None:
    for delay_ms in (1, 7, 23):
        received, sent = Pipe(duplex=False)
        child = start(save_again_and_again, tmp_path, sent)
        assert received.poll(120)
        time.sleep(delay_ms / 1000)
        child.kill()
        child.join()
        (skill,) = SkillStore(tmp_path, tmp_path / "none").ls()
        tensors, _ = read_tensors(skill)
        assert float(tensors["model.layers.0.mlp.up_proj"][0][0, 0]) == skill.card.seed


def test_damage_is_said(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    skill = store.save(random_skill(tiny), make_card(base))
    weights = skill.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(SkillError, match="differ from those that were written"):
        store.inspect("reader")
    (skill.folder / "skill.json").write_text("{")
    assert store.ls() == []
    assert store.damaged() == [skill.folder]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "no plain LoRA adapter .use_dora"),
        ({"bias": "all"}, "no plain LoRA adapter .bias"),
        ({"peft_type": "IA3"}, "no plain LoRA adapter .IA3"),
        ({"rank_pattern": {"q_proj": 8}}, "no plain LoRA adapter .rank_pattern"),
    ],
)
def test_other_adapters_are_refused(
    tiny: TransformersGenerator, base: str, store: SkillStore, change: dict[str, Any], message: str
) -> None:
    skill = store.save(random_skill(tiny), make_card(base))
    config = skill.folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(SkillError, match=message):
        store.inspect("reader")


def test_what_ships_stays(tiny: TransformersGenerator, base: str, store: SkillStore, tmp_path: Path) -> None:
    SkillStore(tmp_path / "shipped").save(random_skill(tiny), make_card(base))
    assert [skill.is_shipped for skill in store.ls()] == [True]
    with pytest.raises(SkillError, match="came with the package and stays"):
        store.remove(["reader"])
    store.save(random_skill(tiny, 1), make_card(base, seed=1))
    assert [skill.is_shipped for skill in store.ls()] == [False, True]
    assert store.inspect("reader").card.seed == 1


def test_cards_are_checked(base: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="expected lower-case letters"):
        make_card(base, name="../reader")
    with pytest.raises(SkillError, match=r"holds no skill\.json"):
        read_card(tmp_path)
    (tmp_path / "skill.json").write_text(make_card(base, version=9).to_json())
    with pytest.raises(SkillError, match="update concord-rag"):
        read_card(tmp_path)


def test_a_card_survives_its_file(base: str, tmp_path: Path) -> None:
    from rag.skills.card import SkillSource

    card = make_card(base, sources=(SkillSource("squad2", "CC BY-SA 4.0", 560),), before={"f1": 0.2}, is_default=True)
    (tmp_path / "skill.json").write_text(card.to_json())
    assert read_card(tmp_path) == card
    assert isinstance(open_skill(tmp_path), Skill)
    assert isinstance(card, SkillCard)
