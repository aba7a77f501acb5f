"""A patch as files: an adapter's PEFT files (:mod:`rag.generation.adapter_folder`) with a manifest beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from rag.core.errors import PatchError
from rag.generation.adapter_folder import adapter_files, encode_json, read_metadata
from rag.generation.adapters.packed import parse_tensors
from rag.library.adapter_folders import CONFIG, MANIFEST, WEIGHTS, read_files
from rag.patches.base import PatchInfo, Tensors
from rag.patches.sentence_index import SentenceIndex

# Metadata of the weights' file, which PEFT and vLLM pass over.
_SENTENCES = "concord.sentences"


def encode_patch(
    tensors: Tensors, info: PatchInfo, index: SentenceIndex | None = None
) -> tuple[PatchInfo, dict[str, bytes]]:
    """A patch's files by name; the index of its sentences is metadata of the weights.

    Returns:
        ``info`` with what only the files tell (rank, size and hash of the weights), and the files.
    """
    files = adapter_files(tensors, info.base_name, {_SENTENCES: index.to_text()} if index else None)
    weights = files[WEIGHTS]
    rank = max(a.shape[0] for a, _ in tensors.values())
    info = replace(info, rank=rank, size_bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest())
    return info, files | {MANIFEST: encode_json(asdict(info))}


def decode_info(key: str, manifest: bytes | None) -> PatchInfo:
    """The patch that a manifest describes.

    Raises:
        PatchError: it is missing (``None``) or damaged.
    """
    if manifest is None:
        raise PatchError(f"there is no patch {key}; 'concord patch ls' lists them")
    try:
        return PatchInfo(**json.loads(manifest))
    except (ValueError, TypeError) as error:
        raise damaged(key, "its manifest cannot be read") from error


def find_info(key: str, manifest: bytes | None) -> PatchInfo | None:
    """:func:`decode_info`; ``None`` where the manifest is missing or damaged."""
    try:
        return decode_info(key, manifest)
    except PatchError:
        return None


def decode_tensors(key: str, files: Mapping[str, bytes], sha256: str | None = None) -> Tensors:
    """The tensors of PEFT's files, all scales multiplied into ``A``.

    Raises:
        PatchError: a file is missing, truncated, altered (``sha256`` differs), or no LoRA adapter.
    """
    try:
        content, config = files[WEIGHTS], json.loads(files[CONFIG])
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise damaged(key, "its weights differ from those that were written")
        return parse_tensors(load(content), float(config["lora_alpha"]) / float(config["r"]))
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise damaged(key, "it is not a readable LoRA folder") from error


def decode_index(key: str, weights: bytes) -> SentenceIndex | None:
    """The index of the sentences that a patch recites; ``None`` for one that recites none.

    Raises:
        PatchError: it is damaged.
    """
    try:
        text = read_metadata(weights).get(_SENTENCES)
        return SentenceIndex.from_text(text) if text is not None else None
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(key, "the index of its sentences cannot be read") from error


def read_tensors(folder: Path) -> Tensors:
    """The tensors of a PEFT folder, all scales multiplied into ``A``.

    Raises:
        PatchError: a file is missing or truncated, or it is no LoRA adapter.
    """
    return decode_tensors(folder.name, read_files(folder))


def is_whole(key: str, files: Mapping[str, bytes]) -> bool:
    """Whether manifest and weights are as they were written."""
    try:
        decode_tensors(key, files, decode_info(key, files.get(MANIFEST)).sha256)
    except PatchError:
        return False
    return True


def damaged(key: str, what: str) -> PatchError:
    """The error for a patch whose files cannot be used."""
    return PatchError(f"patch {key} is damaged: {what}; remove it with 'concord patch rm' and build it again")
