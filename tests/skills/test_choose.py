"""Which skill answers; one for another model is refused with the command that makes the right one."""

from __future__ import annotations

import pytest

from rag.core.errors import SettingError, SkillError
from rag.generation.transformers.generator import TransformersGenerator
from rag.skills.choose import choose_skill
from rag.skills.store import SkillStore
from tests.skills.conftest import make_card, random_skill

OTHER = "0123456789abcdef"


def test_auto_takes_what_was_measured_to_be_better(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    assert choose_skill("auto", store, base, "tiny") is None
    store.save(random_skill(tiny), make_card(base))
    assert choose_skill("auto", store, base, "tiny") is None
    store.save(random_skill(tiny), make_card(base, is_default=True))
    store.save(random_skill(tiny), make_card(base, name="judge", kind="judge", is_default=True))
    chosen = choose_skill("auto", store, base, "tiny")
    assert chosen is not None
    assert chosen.card.name == "reader"
    assert choose_skill("auto", store, OTHER, "tiny") is None
    assert choose_skill("none", store, base, "tiny") is None


def test_names_and_folders(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    saved = store.save(random_skill(tiny), make_card(base))
    for wanted in ("reader", saved.folder.name, str(saved.folder)):
        chosen = choose_skill(wanted, store, base, "tiny")
        assert chosen is not None
        assert chosen.folder == saved.folder


def test_what_cannot_answer_is_refused(tiny: TransformersGenerator, base: str, store: SkillStore) -> None:
    with pytest.raises(SkillError, match=r"no skill 'reader'.*concord skill train reader --model tiny"):
        choose_skill("reader", store, base, "tiny")
    with pytest.raises(SettingError, match="expected lower-case letters"):
        choose_skill("My Reader", store, base, "tiny")
    saved = store.save(random_skill(tiny), make_card(OTHER, base_name="other"))
    for wanted in ("reader", str(saved.folder)):
        with pytest.raises(SkillError, match=r"made for model 'other'.*concord skill train reader --model tiny"):
            choose_skill(wanted, store, base, "tiny")
    store.save(random_skill(tiny), make_card(base, name="judge", kind="judge"))
    with pytest.raises(SkillError, match="'judge' is a judge; expected a reader"):
        choose_skill("judge", store, base, "tiny")
