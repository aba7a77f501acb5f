"""What a service can do with patches: where there are any, and where they can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.core.errors import SettingError
from rag.engine import Engine
from rag.service.problems import Problem

if TYPE_CHECKING:
    from rag.patches.patchset import PatchSet

_CODE = "patches_unavailable"


def open_patches(engine: Engine) -> PatchSet:
    """The patches of an engine's library.

    Raises:
        Problem: 409, the library is in PostgreSQL, or the model runs on a server that takes none.
    """
    if engine.library.folder is None:
        raise Problem(409, _CODE, "this service keeps its libraries in PostgreSQL; patches need one in a folder")
    try:
        engine.patches.check_engine()
    except SettingError as error:
        raise Problem(409, _CODE, str(error)) from error
    return engine.patches


def forget_patches(engine: Engine, doc_id: str) -> None:
    """Remove what was learnt from a document that its owner has removed."""
    folder = engine.library.folder
    if folder is not None and (folder / "patches").is_dir():
        engine.patches.remove([info.key for info in engine.patches.ls() if info.doc_id == doc_id])


def open_trainable_patches(engine: Engine) -> PatchSet:
    """:func:`open_patches`, where this process runs the model in a form that can be trained.

    Raises:
        Problem: 409, it does not: a second copy of the model beside the running one is more than a service may take.
        ModelError, UnavailableError: the model cannot be loaded.
    """
    from rag.patches.base_model import is_trainable  # loads torch

    patches = open_patches(engine)
    if not is_trainable(engine.generator):
        message = "this service answers with vLLM, which trains nothing; make the patches with 'concord patch build'"
        raise Problem(409, _CODE, message)
    return patches
