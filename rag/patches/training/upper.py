"""Running only the upper layers of a model, again and again over the same tokens.

Lower layers that learn nothing give the upper ones the same states in every epoch. These are computed once. Afterwards
the lower layers pass their input through, and the first upper layer reads the stored states.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn


class _Reached(Exception):
    """The lower layers are done."""


def lower_states(model: Any, layers: nn.ModuleList, first: int, inputs: dict[str, Tensor]) -> Tensor:
    """What layer ``first`` reads, ``[K, T, h]``; the layers from there on do not run."""
    states: list[Tensor] = []

    def stop(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
        states.append(args[0] if args else kwargs["hidden_states"])
        raise _Reached

    hook = layers[first].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        model(**inputs)
    except _Reached:
        pass
    finally:
        hook.remove()
    return states[0]


@contextmanager
def lower_skipped(layers: nn.ModuleList, first: int, states: Tensor) -> Iterator[None]:
    """Inside, layer ``first`` reads ``states``, and the layers before it do nothing."""

    def swap(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        if args:
            return (states, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": states}

    with ExitStack() as undo:
        for layer in layers[:first]:
            # Shadows the method on this one module; deleting the shadow restores it.
            layer.forward = _pass_through
            undo.callback(delattr, layer, "forward")
        undo.callback(layers[first].register_forward_pre_hook(swap, with_kwargs=True).remove)
        yield


def _pass_through(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return hidden_states
