"""The engine's settings: one frozen, typed object.

Values come, later ones winning, from the defaults, a TOML file, the environment (``CONCORD_MODEL=...``) and the
caller. An unknown key or a bad value is an error that names the field, the value and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.core.errors import SettingError
from rag.core.query import FilterKind, RetrievalKind, RewriteKind
from rag.core.settings.toml_file import checked, read_toml
from rag.core.verdict import OnSilence, Policy, ReadBy

_ENV_PREFIX = "CONCORD_"
# Read by other parts (the service's database and keys, the key of an engine over HTTP, the tests), or set by Kubernetes
# for a service named "concord".
_NOT_SETTINGS = re.compile(
    r"CONCORD_(?:DATABASE|KEYS|ENGINE_KEY|API_KEY|KILLS|(?:SOAK|TEST|TWIN|VLLM|SERVICE)_\w+|PORT(?:_\w+)?)$"
)
RENAMED = {
    "memory": "question_cache",
    "memory_tau": "question_cache_min_similarity",
    "memory_theta": "question_cache_min_hits",
    "memory_ttl_s": "question_cache_ttl_s",
    "memory_size": "question_cache_size",
    "chunk_chars": "chunk_tokens",
    "chunk_overlap": "chunk_overlap_tokens",
}
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Config(BaseModel):
    """Settings of an :class:`rag.engine.Engine`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("default", description="Generator: a Hugging Face name, a folder, a .gguf file, or 'default'.")
    encoder: str = Field("default", description="Sentence encoder: a name, a local folder, or 'default'.")
    engine: str = Field(
        "auto",
        description="What generates: 'transformers', 'vllm' in this process, 'http://host:port' of a 'concord "
        "serve-llm'; 'auto' is vllm where it is installed beside a GPU.",
    )
    engine_options: dict[str, Any] = Field(
        {}, description="Passed on to vLLM, such as {tensor_parallel_size = 2, gpu_memory_utilization = 0.8}."
    )
    device: str = Field("auto", description="'auto', 'cpu', 'cuda', 'cuda:1' ...")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Generator's precision; 'auto' is float32 on a CPU, bfloat16 on a GPU."
    )
    prompt_style: Literal["auto", "chat", "plain"] = Field(
        "auto", description="'chat' uses the model's chat template, 'plain' none, 'auto' chat where there is one."
    )
    window: Count | None = Field(None, description="Most tokens of prompt and answer; None is the model's own.")
    max_rows: Annotated[int, Field(ge=2)] = Field(128, description="Most rows of one forward: bounds memory.")
    chunk_tokens: Annotated[int, Field(ge=16)] | Literal["auto"] = Field(
        "auto",
        description="Longest passage with its title and headings, in the encoder's tokens; 'auto' is what the encoder "
        "reads, at most 256.",
    )
    chunk_overlap_tokens: Annotated[int, Field(ge=0)] = Field(
        32, description="Most tokens of whole sentences that begin the next passage again."
    )
    top_k: Count | Literal["auto"] = Field(
        "auto", description="Passages per question; 'auto' gives 3, 5 or 7 by the question's length."
    )
    retrieval: RetrievalKind = Field(
        "hybrid",
        description="'graph' follows names from passage to passage, 'hybrid' adds words where they help.",
    )
    rounds: Annotated[int, Field(ge=1, le=3)] = Field(
        1,
        description="Rounds of retrieval: 2 and 3 ask sub-questions about the names that passages bring in, for "
        "questions whose parts stand in several documents. Slow.",
    )
    vector_store: str = Field(
        "",
        description="Where vectors are searched: 'module:function', a function of LangChain embeddings and a name that "
        "gives a LangChain vector store. Empty: the library's own index.",
    )
    rewrite: RewriteKind = Field(
        "rules", description="'rules' makes follow-ups stand alone; 'model' asks the generator for facets too."
    )
    filter: FilterKind = Field("off", description="Who judges the passages found: the encoder or the generator.")
    filter_threshold: Share = Field(0.2, description="Probability to support an answer, below which one is dropped.")
    filter_keep: Annotated[int, Field(ge=0)] = Field(2, description="Passages that the filter keeps in any case.")
    abstain: bool = Field(False, description="Say so where the documents support no answer.")
    abstain_below: Share = Field(0.35, description="Support below which an answer is not given.")
    question_cache: bool = Field(
        False, description="Try the passages that served similar questions first; answers then depend on those."
    )
    question_cache_min_similarity: Share = Field(0.86, description="Cosine from which a cached passage counts.")
    question_cache_min_hits: Count = Field(3, description="Number of cached passages that are enough.")
    question_cache_ttl_s: Annotated[float, Field(gt=0)] = Field(
        604_800.0, description="Age at which a cached passage is dropped, seconds."
    )
    question_cache_size: Count = Field(5000, description="Most passages in the cache; the least recently used go.")
    decoder: str = Field("dial", description="Default decoder.")
    max_tokens: Count = Field(256, description="Longest answer, tokens. An answer that is cut there says so.")
    conflict_report: bool = Field(
        True, description="Compare the answer with the model's memory. False: 'plain' and 'memory' cost one stream."
    )
    verdict: bool = Field(
        True, description="Read each passage alone, and say what each source and the model's memory say."
    )
    policy: Policy = Field(
        "documents",
        description="What the answer follows: the documents, the newest of them, the majority, the most reliable voice "
        "('balanced'), every answer ('all'), or the model's memory.",
    )
    on_silence: OnSilence = Field(
        "say",
        description="Where the documents hold no answer: 'say' so and add memory's answer, marked as such; 'memory' "
        "gives memory's answer alone, marked too; 'ask' asks for another question or document.",
    )
    skill: str = Field(
        "auto",
        min_length=1,
        description="What passages are read with: 'auto' is the reader that was measured to be better for this model, "
        "if there is one; 'none'; a skill's name ('concord skill ls'); or its folder.",
    )
    read_by: ReadBy = Field(
        "both",
        description="What reads each passage alone for the verdict: 'encoder' and rules; the 'skill' of the answer; or "
        "'both', the skill first. Without a skill the encoder reads.",
    )
    compress: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Share of the passages' text that the model reads: their sentences nearest to the question. 1 is "
        "all of it. Citations and the verdict keep the whole passages.",
    )
    conflict_threshold: Annotated[float, Field(ge=0, le=1)] = Field(
        0.08, description="Conflict score at which memory and documents count as disagreeing."
    )
    extractor: Literal["rules", "model"] = Field(
        "rules", description="What reads names and claims for the graph: rules, or rules and the generator (slow)."
    )
    parse_timeout_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Longest time for reading one file, seconds; then it is given up."
    )
    parse_memory_mib: Annotated[int, Field(ge=64)] = Field(
        1024, description="Most memory for reading one file, MiB; also the largest file."
    )
    parse_expansion_mib: Count = Field(512, description="Most that a file that is an archive may expand to, MiB.")
    cache_dir: Path | None = Field(
        None, description="Where downloaded and converted models are kept; None is the user's cache."
    )

    patch_profile: str = Field(
        "recite",
        description="How patches are trained: 'recite' (they say the sentences that the question is near to, and those "
        "are read), 'fast' (they answer), 'quiet' (all phrases, less harm than 'fast'), or 'prag' as published.",
    )
    patch_gate: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.45, description="Cosine of question and passage from which a document's patch is used."
    )
    patch_max_rank: Annotated[int, Field(ge=1)] = Field(64, description="Rank at which composed patches are cut.")
    patch_store_mib: Annotated[float, Field(gt=0)] = Field(4096, description="Most MiB of patches on disk.")
    patch_memory_mib: Annotated[float, Field(ge=0)] = Field(256, description="Most MiB of patches kept in memory.")
    patch_portable: bool = Field(False, description="Also use patches that were made for another base model.")

    @field_validator("engine")
    @classmethod
    def _check_engine(cls, engine: str) -> str:
        if engine in ("auto", "transformers", "vllm") or re.match(r"https?://\S+$", engine):
            return engine
        raise ValueError("expected auto, transformers, vllm, or http://host:port of a 'concord serve-llm'")

    @classmethod
    def load(cls, file: Path | None = None, /, **overrides: Any) -> Config:
        """Settings from a TOML file, the environment and ``overrides`` (``None`` = not given).

        Raises:
            SettingError: an unknown key or a bad value, with its origin.
        """
        values: dict[str, Any] = {}
        origins = [(str(file), read_toml(file))] if file else []
        origins += [("environment", _read_environment(os.environ)), ("arguments", _without_none(overrides))]
        for origin, settings in origins:
            values |= settings
            _validated(cls, values, origin)
        return _validated(cls, values, "arguments")

    def updated(self, **overrides: Any) -> Config:
        """These settings with ``overrides`` (``None`` = not set), checked as in :meth:`load`.

        Raises:
            SettingError: an unknown key or a bad value.
        """
        return _validated(type(self), self.model_dump() | _without_none(overrides), "arguments")


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _read_environment(environ: Mapping[str, str]) -> dict[str, str]:
    settings = {}
    for key, value in environ.items():
        if not key.startswith(_ENV_PREFIX) or _NOT_SETTINGS.match(key):
            continue
        name = key.removeprefix(_ENV_PREFIX).lower()
        if name not in Config.model_fields:
            raise SettingError(_unknown_variable(key, name))
        if value != "":
            settings[name] = value
    return settings


def _unknown_variable(key: str, name: str) -> str:
    if name in RENAMED:
        return f"the environment variable {key} is called {_ENV_PREFIX}{RENAMED[name].upper()} now"
    near = get_close_matches(name, Config.model_fields, n=1)
    hint = f"; did you mean {_ENV_PREFIX}{near[0].upper()}?" if near else "; unset it"
    return f"the environment variable {key} is no setting of Concord{hint}"


def _validated(cls: type[Config], values: dict[str, Any], origin: str) -> Config:
    for name in RENAMED.keys() & values.keys():
        raise SettingError(f"setting {name!r} ({origin}) is called {RENAMED[name]!r} now")
    config = checked(cls, values, origin)
    if config.chunk_tokens != "auto" and config.chunk_overlap_tokens >= config.chunk_tokens:
        raise SettingError(
            f"chunk_overlap_tokens={config.chunk_overlap_tokens} ({origin}) must be less than "
            f"chunk_tokens={config.chunk_tokens}"
        )
    return config
