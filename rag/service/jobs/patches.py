"""What a service can do with patches: where questions may use them, and where they can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag.core.errors import ConcordError, SettingError
from rag.engine import Engine
from rag.service.problems import Problem

if TYPE_CHECKING:
    from rag.patches.patchset import PatchSet

_CODE = "patches_unavailable"


def check_patched_questions(engine: Engine) -> None:
    """Refuse questions to patches alone where the model runs on an engine that takes none.

    Raises:
        Problem: 409, it does.
    """
    try:
        engine.patches.check_engine()
    except SettingError as error:
        raise Problem(409, _CODE, str(error)) from error


def forget_patches(engine: Engine, doc_id: str) -> None:
    """Remove what was learnt from a document that its owner has removed."""
    if engine.library.patch_files().list_keys():
        engine.patches.remove([info.key for info in engine.patches.ls() if info.doc_id == doc_id])


def build_options(engine: Engine) -> dict[str, Any]:
    """What a worker must know of a service to build the patches that the service will look for.

    ``base`` is the model's fingerprint where the service knows it at once, else empty.
    """
    from rag.patches.base_model import is_trainable  # loads torch

    config = engine.config
    options = {"model": config.model, "profile": config.patch_profile, "store_mib": config.patch_store_mib}
    try:
        base = engine.patches.base if is_trainable(engine.generator) else ""
    except ConcordError:  # no model yet; the worker has its own
        base = ""
    return {**options, "base": base}


def open_trainable_patches(engine: Engine) -> PatchSet:
    """The patches of an engine's library, where this process runs the model in a form that can be trained.

    Raises:
        Problem: 409, it does not: a second copy of the model beside the running one is more than a service may take.
        ModelError, UnavailableError: the model cannot be loaded.
    """
    from rag.patches.base_model import is_trainable  # loads torch

    if not is_trainable(engine.generator):
        message = "this service answers with vLLM, which trains nothing; make the patches with 'concord patch build'"
        raise Problem(409, _CODE, message)
    return engine.patches
