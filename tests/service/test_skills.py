"""Skills over HTTP: by name, never by folder; the reply says which one spoke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rag.client import Client
from rag.core.errors import SkillError
from rag.models.fingerprint import model_fingerprint
from rag.skills.store import SkillStore, skills_folder
from tests.service.conftest import fill, live
from tests.service.tiny import CONFIG, load_tiny, tiny_app
from tests.skills.conftest import make_card, random_skill

QUESTION = "who runs the harbour"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("skilled")
    tiny = load_tiny()
    card = make_card(model_fingerprint(tiny.model), is_default=True)
    SkillStore(skills_folder(folder)).save(random_skill(tiny, scale=0.2), card)
    config = CONFIG.updated(cache_dir=folder)
    with live(tiny_app(folder / "root", lambda: tiny, config)) as url:
        with httpx.Client(base_url=url, timeout=30) as http:
            fill(http, "papers", {"harbour": "w10 w11 w12 runs the harbour"})
        yield url


def ask(address: str, **rag: Any) -> httpx.Response:
    body = {"model": "papers", "messages": [{"role": "user", "content": QUESTION}], "rag": rag}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=30)


def test_the_reply_names_the_skill(address: str) -> None:
    assert ask(address).json()["skill"] == "reader"
    assert ask(address, skill="reader", read_by="skill").json()["skill"] == "reader"
    assert ask(address, skill="none").json()["skill"] == ""


@pytest.mark.parametrize("name", ["/tmp/skill", "../reader", "~/x", "Reader", ""])
def test_a_folder_is_not_a_callers_to_choose(address: str, name: str) -> None:
    refused = ask(address, skill=name)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "rag.skill"


def test_the_clients_say_it_too(address: str) -> None:
    with Client(address, library="papers") as client:
        assert client.ask(QUESTION).skill == "reader"
        assert client.ask(QUESTION, skill="none").skill == ""
        *_, streamed = client.stream(QUESTION, skill="reader")
        assert streamed.skill == "reader"  # type: ignore[union-attr]
        with pytest.raises(SkillError, match="no skill 'writer'"):
            client.ask(QUESTION, skill="writer")
