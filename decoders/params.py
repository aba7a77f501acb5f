"""The decoders and their settings, one frozen dataclass each.

A decoder's name and its settings come from a user as text; :func:`decoder_params` turns them into one of
these classes or says what is wrong. Each class names the streams that its rule reads (:mod:`decoders.streams`).
The mathematics is in :mod:`decoders.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, Literal

from decoders.checks import DecoderSettingError, check_choice, check_range
from decoders.streams import CONTEXT, PAIR, PARAMETRIC


@dataclass(frozen=True)
class Plain:
    """Ordinary retrieval-augmented decoding: the context stream alone."""

    name: ClassVar[str] = "plain"
    streams: ClassVar[tuple[str, ...]] = (CONTEXT,)


@dataclass(frozen=True)
class Memory:
    """The model's own memory: the parametric stream alone (no context)."""

    name: ClassVar[str] = "memory"
    streams: ClassVar[tuple[str, ...]] = (PARAMETRIC,)


@dataclass(frozen=True)
class Cad:
    """Context-aware decoding with a fixed contrast.

    Attributes:
        alpha: contrast strength, 0 (plain) upwards; 1.0 suits questions, 0.5 summaries.
    """

    name: ClassVar[str] = "cad"
    streams: ClassVar[tuple[str, ...]] = PAIR
    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "alpha", low=0.0)


@dataclass(frozen=True)
class AdaCad:
    """Context-aware decoding whose contrast is the streams' Jensen-Shannon divergence at each step.

    Attributes:
        floor: least contrast at every step; 0 suits questions, 0.3 long answers.
        log_base: unit of the divergence: ``"e"`` (0 to 0.693) or ``"2"`` (0 to 1).
    """

    name: ClassVar[str] = "adacad"
    streams: ClassVar[tuple[str, ...]] = PAIR
    floor: float = 0.0
    log_base: Literal["e", "2"] = "e"

    def __post_init__(self) -> None:
        check_range(self, "floor", low=0.0)
        check_choice(self, "log_base", ("e", "2"))


@dataclass(frozen=True)
class CkPlug:
    """Knowledge control that adjusts only tokens at which the context lowers the model's confidence.

    Attributes:
        alpha: 0 (documents) to 1 (memory); ``"auto"`` takes it from the entropies. A fixed 0.5 chooses plain decoding's
            token when decoding is greedy. It is not plain decoding when tokens are drawn: where the gate is open the
            scores are half as large, as if the temperature were doubled.
        profile: ``"released"`` (gate of the authors' program, on which published numbers rest) or
            ``"paper"`` (gate of the text).
        epsilon: the gate's threshold; ``None`` takes the profile's own (paper 0 bits, released -1 times H_c).
        num_head: each stream's head holds at least this many tokens.
        min_ratio: tokens above this probability, relative to the best token's, are in the head too.
    """

    name: ClassVar[str] = "ckplug"
    streams: ClassVar[tuple[str, ...]] = PAIR
    alpha: float | Literal["auto"] = "auto"
    profile: Literal["released", "paper"] = "released"
    epsilon: float | None = None
    num_head: int = 10
    min_ratio: float = 0.01

    def __post_init__(self) -> None:
        check_range(self, "alpha", low=0.0, high=1.0, or_auto=True)
        check_choice(self, "profile", ("released", "paper"))
        if self.epsilon is not None:
            check_range(self, "epsilon")
        check_range(self, "num_head", low=1)
        check_range(self, "min_ratio", low=0.0, high=1.0)

    @property
    def threshold(self) -> float:
        """The gate's threshold with the profile's default filled in."""
        if self.epsilon is not None:
            return self.epsilon
        return 0.0 if self.profile == "paper" else -1.0


@dataclass(frozen=True)
class Coiecd:
    """Contextual information-entropy constrained decoding, as the authors' program computes it.

    Attributes:
        alpha: contrast strength inside the constraint.
        ratio: a token is inside when its context probability is within this factor of the best one.
    """

    name: ClassVar[str] = "coiecd"
    streams: ClassVar[tuple[str, ...]] = PAIR
    alpha: float = 1.0
    ratio: float = 4.0

    def __post_init__(self) -> None:
        check_range(self, "alpha", low=0.0)
        check_range(self, "ratio", low=1.0)


@dataclass(frozen=True)
class Dial:
    """From the documents to the model's memory without leaving the language: contrast among plausible tokens only.

    Attributes:
        alpha: 0 (documents) to 1 (memory); 0.5 is plain decoding. ``"auto"`` takes it from the streams at each token.
        plausible: a token is plausible when its probability is at least this share of the best token's.
        strength: contrast at alpha 0 where memory would say something else.
        knows: for ``"auto"``: how likely it is that the model knows the answer, 0 to 1. It is the most weight that
            memory gets; 0 is plain decoding.
    """

    name: ClassVar[str] = "dial"
    streams: ClassVar[tuple[str, ...]] = PAIR
    alpha: float | Literal["auto"] = "auto"
    plausible: float = 0.5
    strength: float = 0.5
    knows: float = 0.2

    def __post_init__(self) -> None:
        check_range(self, "alpha", low=0.0, high=1.0, or_auto=True)
        check_range(self, "plausible", low=0.0, high=1.0)
        check_range(self, "strength", low=0.0)
        check_range(self, "knows", low=0.0, high=1.0)

    def memory_share(self, coefficient: float) -> float:
        """The alpha of a step, from the parametric stream's coefficient (:mod:`decoders.dial`).

        Below 0.5 it is the more contrast, the lower; 0.5 where there was nothing to contrast.
        """
        if coefficient >= 0:
            return (1 + coefficient) / 2
        return (1 + coefficient / self.strength) / 2


DecoderParams = Plain | Memory | Cad | AdaCad | CkPlug | Coiecd | Dial

_CLASSES: tuple[type[DecoderParams], ...] = (Dial, AdaCad, CkPlug, Cad, Coiecd, Plain, Memory)
DECODER_NAMES: tuple[str, ...] = tuple(cls.name for cls in _CLASSES)


def decoder_params(name: str, settings: Mapping[str, object] | None = None) -> DecoderParams:
    """The decoder ``name`` with ``settings``; those left out keep their defaults.

    Raises:
        DecoderSettingError: unknown decoder, unknown setting, or a value out of range. The message names
            what was given and what is allowed.
    """
    cls = next((cls for cls in _CLASSES if cls.name == name), None)
    if cls is None:
        raise DecoderSettingError(f"unknown decoder {name!r}; choose one of {', '.join(DECODER_NAMES)}")
    known = [field.name for field in fields(cls)]
    for key in settings or {}:
        if key not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes no settings"
            owners = [c.name for c in _CLASSES if key in [f.name for f in fields(c)]]
            hint = f" ({key} belongs to {', '.join(owners)})" if owners else ""
            raise DecoderSettingError(f"decoder {name!r} has no setting {key!r}; {takes}{hint}")
    return cls(**(settings or {}))  # type: ignore[arg-type]  # values are checked by __post_init__


def settings_names(name: str) -> tuple[str, ...]:
    """The settings that the decoder ``name`` takes; ``name`` is one of :data:`DECODER_NAMES`."""
    return next(tuple(field.name for field in fields(cls)) for cls in _CLASSES if cls.name == name)


def leans_on_memory(params: DecoderParams) -> bool:
    """Whether the caller asked for the model's memory rather than for the documents."""
    if isinstance(params, (CkPlug, Dial)):
        return params.alpha != "auto" and params.alpha > 0.5
    return isinstance(params, Memory)


def changed_settings(params: DecoderParams) -> dict[str, object]:
    """The settings of ``params`` that differ from the decoder's defaults; inverse of :func:`decoder_params`."""
    values = {field.name: (getattr(params, field.name), field.default) for field in fields(params)}
    return {key: value for key, (value, default) in values.items() if default is MISSING or value != default}
