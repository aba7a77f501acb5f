"""Pairs inside an engine's batch: what makes two requests the halves of one answer, and which rows they hold.

An engine that schedules requests runs the two streams of a pair, ``context`` and ``parametric``. A rule that reads
other streams is refused here; generators that own their batch run it (:mod:`decoders.rules`).

Pure: imports neither an engine nor a device.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from decoders.checks import DecoderSettingError
from decoders.params import DecoderParams, changed_settings, decoder_params
from decoders.sampling import Draw
from decoders.streams import PAIR

Role = Literal["context", "parametric"]
ROLES: tuple[Role, ...] = ("context", "parametric")
# The name under which a request's extra arguments carry its half of a pair.
KEY = "concord"


class PairError(ValueError):
    """A request that claims to be half of a pair and cannot be one."""


@dataclass(frozen=True)
class Half:
    """One request's part in a pair.

    Attributes:
        pair_id: shared by the two halves of one answer and by no other request.
        role: the stream whose prompt this request reads.
        params: the decoding rule.
        draw: how the pair's token is chosen; the engine's scheduler fills it in from the request's own
            sampling settings, so a client leaves it out.
        forced: the pair's first tokens, whatever the rule says: their probabilities are wanted, in the trace.

    Raises:
        PairError: the rule reads a stream that a pair does not have.
    """

    pair_id: str
    role: Role
    params: DecoderParams
    draw: Draw | None = None
    forced: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not set(self.params.streams) <= set(PAIR):
            raise PairError(
                f"decoder {self.params.name!r} reads the streams {', '.join(self.params.streams)}; a pair has only "
                f"{' and '.join(PAIR)}; ask the engine 'transformers', or choose another decoder"
            )

    def to_text(self) -> str:
        """The half as the value of a request's extra argument."""
        value: dict[str, Any] = {"pair": self.pair_id, "role": self.role, "decoder": self.params.name}
        if settings := changed_settings(self.params):
            value["settings"] = settings
        if self.forced:
            value["forced"] = self.forced
        if self.draw is not None:
            value["draw"] = self.draw.settings()
        return json.dumps(value)

    @classmethod
    def from_extra_args(cls, extra_args: Mapping[str, Any] | None) -> Half | None:
        """The half that a request's extra arguments describe; ``None`` for an ordinary request.

        Raises:
            PairError: they describe no half; the message says what was expected.
        """
        text = (extra_args or {}).get(KEY)
        if text is None:
            return None
        try:
            value = json.loads(text)
            draw = Draw(**value.pop("draw")) if "draw" in value else None
            pair_id, role, name = value.pop("pair"), value.pop("role"), value.pop("decoder")
            params = decoder_params(name, value.pop("settings", {}))
            forced = tuple(map(operator.index, value.pop("forced", ())))
        except DecoderSettingError as error:
            raise PairError(f"{KEY}: {error}") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise PairError(f"{KEY}={text!r}: expected a JSON object with pair, role and decoder") from error
        if not isinstance(pair_id, str) or not pair_id or role not in ROLES or value:
            raise PairError(
                f"{KEY}={text!r}: expected pair (text), role ({' or '.join(ROLES)}), decoder, settings, forced"
            )
        return cls(pair_id, role, params, draw, forced)

    def with_draw(self, draw: Draw) -> Half:
        """The half as the engine's workers see it."""
        return replace(self, draw=draw)


@dataclass(frozen=True)
class HalfRow:
    """A half that holds a row of the batch.

    Attributes:
        half: which part of which pair.
        prompt_ids, output_ids: live views of the request's tokens; ``output_ids`` grows as it runs.
        end_id: a token that ends the request at once: set where no scheduler keeps the half in step with the other.
        is_constrained: a grammar bans tokens, whose logits are ``-inf``.
    """

    half: Half
    prompt_ids: Sequence[int] = field(default=(), compare=False)
    output_ids: Sequence[int] = field(default=(), compare=False)
    end_id: int | None = None
    is_constrained: bool = False


@dataclass(frozen=True)
class MatchedPair:
    """Both halves of an answer in one batch, by row index."""

    context_row: int
    parametric_row: int
    context: HalfRow
    parametric: HalfRow

    @property
    def position(self) -> int:
        """Index of the token that the pair chooses next."""
        return len(self.context.output_ids)

    @property
    def is_constrained(self) -> bool:
        """Whether a grammar bans tokens; it does so for both halves."""
        return self.context.is_constrained

    @property
    def is_in_step(self) -> bool:
        """Whether both halves have generated equally many tokens."""
        return len(self.context.output_ids) == len(self.parametric.output_ids)


def match(rows: Mapping[int, HalfRow]) -> list[MatchedPair]:
    """The pairs with both halves among ``rows``, ordered by context row; lone and ended halves are left out."""
    halves: dict[str, dict[Role, tuple[int, HalfRow]]] = {}
    for index, row in rows.items():
        if row.end_id is None:
            halves.setdefault(row.half.pair_id, {})[row.half.role] = (index, row)
    pairs = [
        MatchedPair(pair["context"][0], pair["parametric"][0], pair["context"][1], pair["parametric"][1])
        for pair in halves.values()
        if len(pair) == 2
    ]
    return sorted(pairs, key=lambda pair: pair.context_row)
