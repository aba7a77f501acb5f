"""The twin that trains: the model's weights, and nothing of what happens on the model meanwhile."""

from __future__ import annotations

from threading import Event, Thread

import torch
from torch import nn

from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.lora import RowAdapters
from rag.patches.training.trainer import Trainer
from rag.patches.training.twin import frozen_twin
from tests.patches.conftest import random_samples, random_tensors
from tests.patches.test_trainer import QUICK

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def num_hooks(model: nn.Module) -> int:
    return sum(len(getattr(module, name)) for module in model.modules() for name in HOOKS)


def adapter(tiny: TransformersGenerator) -> Adapter:
    return Adapter.single("other", random_tensors(tiny, 2, 1))


def test_a_twin_of_a_model_that_answers_carries_no_hook(tiny: TransformersGenerator) -> None:
    tiny.model.model.layers[0].register_full_backward_pre_hook(lambda *_: None).remove()
    with RowAdapters(tiny.model).applied([adapter(tiny)]):
        assert num_hooks(tiny.model) > 0
        twin = frozen_twin(tiny.model)
    assert num_hooks(twin) == 0
    assert all(copied is other for copied, other in zip(twin.parameters(), tiny.model.parameters(), strict=True))
    twin.model.layers[0].register_forward_hook(lambda *_: None)
    assert num_hooks(tiny.model) == 0


def test_patches_do_not_learn_on_top_of_another_document(tiny: TransformersGenerator) -> None:
    """A trainer that is made while a question is answered with a patch trains what one made at rest trains."""
    samples = random_samples(2, 2)
    expected = dict(Trainer(tiny, QUICK).train(samples))
    with RowAdapters(tiny.model).applied([adapter(tiny)]):
        trainer = Trainer(tiny, QUICK)
    for index, tensors in trainer.train(samples):
        for name, pair in tensors.items():  # type: ignore[union-attr]
            for got, other in zip(pair, expected[index][name], strict=True):  # type: ignore[index]
                torch.testing.assert_close(got, other)


def test_twins_are_made_while_another_thread_hooks(tiny: TransformersGenerator) -> None:
    is_done, hooking, other = Event(), RowAdapters(tiny.model), adapter(tiny)

    def hook_and_unhook() -> None:
        while not is_done.is_set():
            with hooking.applied([other]):
                pass

    thread = Thread(target=hook_and_unhook)
    thread.start()
    try:
        assert [num_hooks(frozen_twin(tiny.model)) for _ in range(40)] == [0] * 40
    finally:
        is_done.set()
        thread.join()


def test_two_threads_share_a_trainer(tiny: TransformersGenerator) -> None:
    """Adapters in training are hooks on one twin: both at once would train through each other."""
    documents = [random_samples(1, 3, seed) for seed in (1, 2)]
    alone = [dict(Trainer(tiny, QUICK).train(samples))[0] for samples in documents]
    trainer, together = Trainer(tiny, QUICK), {}

    def train(number: int) -> None:
        for _ in range(3):
            together[number] = dict(trainer.train(documents[number]))[0]

    threads = [Thread(target=train, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        for name, pair in together[number].items():
            for got, other in zip(pair, alone[number][name], strict=True):  # type: ignore[index]
                torch.testing.assert_close(got, other)
