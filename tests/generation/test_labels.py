"""Label probabilities: by hand, against a plain forward, and whatever the batch."""

from __future__ import annotations

import pytest
import torch

from rag.core.errors import QuestionError, SettingError
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.labels import first_tokens, label_probabilities
from tests.generation.conftest import tiny_model, tiny_tokenizer

PROMPTS = [tuple(range(3, 3 + length)) for length in (5, 40, 17, 5)]


@pytest.fixture(scope="module")
def llama() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", max_rows=3)


def test_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    weights = torch.tensor([0.0, 1.0, 2.0]).exp()
    expected = torch.tensor([weights[0] + weights[1], weights[2]]) / weights.sum()
    assert label_probabilities(logits, [[0, 1], [2]])[0].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_equals_a_plain_forward(llama: TransformersGenerator) -> None:
    model = tiny_model("llama")
    for prompt, probabilities in zip(PROMPTS, llama.score(PROMPTS, ("w5", "w6")), strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([prompt])).logits[0, -1]
        assert probabilities == pytest.approx(logits[[5, 6]].softmax(dim=-1).tolist(), abs=1e-5)


def test_a_prompt_depends_on_itself_alone(llama: TransformersGenerator) -> None:
    batch = llama.score(PROMPTS, ("w5", "w6", "w7"))
    assert batch[0] == pytest.approx(batch[3], abs=1e-6)
    for prompt, probabilities in zip(PROMPTS, batch, strict=True):
        assert llama.score([prompt], ("w5", "w6", "w7"))[0] == pytest.approx(probabilities, abs=1e-5)
    assert llama.score([], ("w5", "w6")) == []


def test_both_forms_of_a_label_count() -> None:
    tokens = {"yes": [1], " yes": [2, 9], "no": [3], " no": [3]}
    assert first_tokens(("yes", "no"), lambda text: tokens[text]) == [[1, 2], [3]]


@pytest.mark.parametrize("labels", [("w5",), ("w5", "w5 w6"), ("w5", "")])
def test_labels_that_cannot_be_told_apart(llama: TransformersGenerator, labels: tuple[str, ...]) -> None:
    with pytest.raises(SettingError, match="different tokens"):
        llama.score(PROMPTS, labels)


def test_a_prompt_over_the_window(llama: TransformersGenerator) -> None:
    with pytest.raises(QuestionError, match="prompt of 300 tokens"):
        llama.score([tuple([5] * 300)], ("w5", "w6"))
