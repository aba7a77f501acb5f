"""The settings of a run, one frozen and typed object, read from TOML and overridden by the caller."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from decoders.checks import DecoderSettingError
from decoders.params import DecoderParams, Memory, decoder_params
from eval.datasets import DATASET_NAMES
from eval.metrics.names import DEFAULT_METRICS, check_metrics
from eval.run.arms import Arm
from eval.run.controls import KNOWN_FACTS, Control
from rag.core.errors import SettingError
from rag.core.settings.config import Config
from rag.core.settings.toml_file import checked, read_toml

Count = Annotated[int, Field(ge=1)]

# They change what is shown or how fast a run is. Results made with other values stay valid.
_WITHOUT_EFFECT_ON_RESULTS = frozenset({"metrics", "confidence", "library", "workers", "worker_cpus", "worker_gpus"})
# Runs that differ only in these are answered together, so that the model reads a question's prompts once.
_DECODER_SETTINGS = frozenset({"decoder", "alpha", "decoder_settings"})


class RunConfig(BaseModel):
    """One run: a data set, an arm, a decoder, and how to measure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(description=f"One of {', '.join(DATASET_NAMES)}.")
    data: str = Field(description="A file in the data set's published format, or 'hub:OWNER/NAME'.")
    subset: str | None = Field(None, description="Subset of a hub's data set.")
    split: str = Field("validation", description="Split of a hub's data set.")
    first: Annotated[int, Field(ge=0)] = Field(0, description="Questions to skip at the start.")
    limit: Count | None = Field(None, description="Most questions to ask; None asks all.")
    corpus: str | None = Field(
        None,
        description="JSONL of doc_id, title, text to retrieve from; None takes the questions' passages.",
    )
    library: str | None = Field(
        None, description="Library to retrieve from; documents of the corpus that it lacks are added."
    )
    arm: Arm = Field("retrieved", description="Which context the model sees.")
    patches: Control = Field(
        "none", description="Whose patch the model answers with; the arm still says what is in the prompt."
    )
    known_facts: str = Field(KNOWN_FACTS, min_length=1, description="What the patch of 'format_only' learns.")
    seed: int = Field(0, description="Seed of the arms, of sampling and of the bootstrap.")
    decoder: str = Field("dial", description="Decoder; the memory arm without patches always uses 'memory'.")
    alpha: float | Literal["auto"] | None = Field(None, description="The decoder's alpha; None is its default.")
    decoder_settings: dict[str, Any] = Field(default_factory=dict, description="The decoder's other settings.")
    top_k: Count | Literal["auto"] = Field(
        "auto", description="Passages in the prompt, when the engine retrieves; 'auto' goes by the question's length."
    )
    max_tokens: Count = Field(256, description="Longest answer, tokens.")
    batch_size: Count = Field(32, description="Questions given to the engine at once.")
    ranking_depth: Annotated[int, Field(ge=0)] = Field(
        20, description="Passages to rank for the retrieval metrics, when the engine retrieves; 0 ranks none."
    )
    is_retrieval_only: bool = Field(False, description="Rank, but do not answer: retrieval metrics without a model.")
    metrics: tuple[str, ...] = Field(
        DEFAULT_METRICS, description="Metrics to compute; those that apply to no question are left out."
    )
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="Confidence of the intervals.")
    workers: Annotated[int, Field(ge=0)] = Field(
        0, description="Ray workers that share the batches, each with its own model; 0 asks in this process."
    )
    worker_cpus: Count = Field(1, description="Processor cores of one worker, and threads of its model.")
    worker_gpus: Annotated[float, Field(ge=0)] = Field(0, description="GPUs of one worker; a share is possible.")
    engine: dict[str, Any] = Field(default_factory=dict, description="The engine's own settings: model, dtype ...")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        check_metrics(self.metrics)
        if self.dataset not in DATASET_NAMES:
            from eval.datasets.load import select_parser

            select_parser(self.dataset)  # raises, and says what there is
        if self.is_retrieval_only and (self.arm != "retrieved" or not self.ranking_depth):
            raise SettingError("is_retrieval_only needs arm 'retrieved' and a ranking_depth of at least 1")
        if self.patches != "none" and (self.is_retrieval_only or self.decoder == "memory"):
            reader = "is_retrieval_only" if self.is_retrieval_only else "decoder 'memory'"
            raise SettingError(f"patches={self.patches!r} changes nothing with {reader}; choose another, e.g. 'plain'")
        Config.load(**self.engine)
        self.decoder_params()
        return self

    @classmethod
    def load(cls, file: Path | None = None, /, **overrides: Any) -> RunConfig:
        """Settings from a TOML file and ``overrides`` (``None`` = not given), the latter win.

        Raises:
            SettingError: an unreadable file, an unknown key, a missing or a bad value.
        """
        values = read_toml(file) if file else {}
        return cls.from_values(values | {key: value for key, value in overrides.items() if value is not None})

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> RunConfig:
        """Settings from plain values.

        Raises:
            SettingError: an unknown key, a missing or a bad value.
        """
        return checked(cls, values)

    def changed(self, **values: Any) -> RunConfig:
        """These settings with ``values`` in place of some, checked again."""
        return type(self).from_values(self.model_dump() | values)

    def decoder_params(self) -> DecoderParams:
        """The decoder with its settings.

        Raises:
            SettingError: it does not exist or has no such setting.
        """
        settings = dict(self.decoder_settings)
        if self.alpha is not None:
            settings["alpha"] = self.alpha
        try:
            return decoder_params(self.decoder, settings)
        except DecoderSettingError as error:
            raise SettingError(str(error)) from error

    def asked_decoder(self) -> DecoderParams:
        """The decoder that answers: ``memory`` where the model gets neither passages nor patches."""
        return Memory() if self.arm == "memory" and self.patches == "none" else self.decoder_params()

    def identity(self) -> dict[str, Any]:
        """The settings that results depend on, as plain JSON values."""
        values = self.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT_ON_RESULTS))
        return {key: value for key, value in values.items() if value is not None}

    def batch_key(self) -> str:
        """Equal for runs that can be answered together."""
        values = {key: value for key, value in self.identity().items() if key not in _DECODER_SETTINGS}
        return json.dumps(values | {"workers": self.workers, "library": self.library}, sort_keys=True)


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Twelve hex digits that differ when anything in ``identity`` differs."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
