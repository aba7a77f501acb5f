"""A patch on disk: an adapter's PEFT folder (:mod:`rag.generation.adapter_folder`) with a manifest in it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from rag.core.errors import PatchError
from rag.generation.adapter_folder import CONFIG, PARTIAL, WEIGHTS, adapter_files, encode_json, write_files
from rag.generation.adapters.packed import parse_tensors
from rag.patches.base import PatchInfo, Tensors

MANIFEST = "manifest.json"


def write_patch(folder: Path, tensors: Tensors, info: PatchInfo) -> PatchInfo:
    """Write a patch whole or not at all; an existing folder stays as it is.

    Returns:
        ``info`` with what only the written file tells: rank, size and hash.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    files = adapter_files(tensors, info.base_name)
    weights = files[WEIGHTS]
    rank = max(a.shape[0] for a, _ in tensors.values())
    info = replace(info, rank=rank, size_bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest())
    write_files(folder, files | {MANIFEST: encode_json(asdict(info))})
    return info


def read_info(folder: Path) -> PatchInfo:
    """The manifest.

    Raises:
        PatchError: it is missing or damaged.
    """
    try:
        return PatchInfo(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise PatchError(f"there is no patch {folder.name}; 'concord patch ls' lists them") from None
    except (OSError, ValueError, TypeError) as error:
        raise damaged(folder, "its manifest cannot be read") from error


def read_tensors(folder: Path, sha256: str | None = None) -> Tensors:
    """The tensors of a PEFT folder, all scales multiplied into ``A``.

    Raises:
        PatchError: the file is missing, truncated, altered (``sha256`` differs), or no LoRA adapter.
    """
    try:
        content = (folder / WEIGHTS).read_bytes()
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise damaged(folder, "its weights differ from those that were written")
        return parse_tensors(load(content), float(config["lora_alpha"]) / float(config["r"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise damaged(folder, "it is not a readable LoRA folder") from error


def find_info(folder: Path) -> PatchInfo | None:
    """The manifest; ``None`` where it is missing or damaged."""
    try:
        return read_info(folder)
    except PatchError:
        return None


def is_whole(folder: Path) -> bool:
    """Whether manifest and weights are as they were written. Reads everything."""
    try:
        read_tensors(folder, read_info(folder).sha256)
    except PatchError:
        return False
    return True


def damaged(folder: Path, what: str) -> PatchError:
    """The error for a patch whose files cannot be used."""
    return PatchError(f"patch {folder.name} is damaged: {what}; remove it with 'concord patch rm' and build it again")


def remove_partial(parent: Path) -> None:
    """Remove what a killed process left half-written below ``parent``; the caller holds the writer's lock."""
    for leftover in parent.glob(f"{PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)
