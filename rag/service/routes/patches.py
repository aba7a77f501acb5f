"""The documents of a library as LoRA patches."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from rag.patches.store.keys import match_keys
from rag.service.problems import Problem
from rag.service.routes.access import CheckedRoute
from rag.service.routes.libraries import LibraryName, Reader, Wait, Writer, ended
from rag.service.schemas import Job, NewPatches, PatchList, Removed

router = APIRouter(prefix="/v1", tags=["patches"], route_class=CheckedRoute)


@router.get("/libraries/{library}/patches")
def list_patches(library: LibraryName, caller: Reader) -> PatchList:
    """The patches of a library, by document."""
    patches = caller.state.catalog.engine(caller.key.tenant, library).patches
    return PatchList(data=patches.ls(), num_patched=len(patches.patched()))


@router.post("/libraries/{library}/patches", status_code=202)
async def build_patches(
    library: LibraryName, body: NewPatches, caller: Writer, response: Response, wait_s: Wait = 0
) -> Job:
    """Make the patches that are missing. Each is kept when it is done; a build that was cut off continues.

    Where libraries are in PostgreSQL, a ``concord worker`` makes them. While none is there, the job's ``hint`` says so.
    """
    job = await run_in_threadpool(caller.state.jobs.build, caller.key.tenant, library, body.documents)
    return await ended(caller, job, response, wait_s)


@router.delete("/libraries/{library}/patches/{name}")
def remove_patches(library: LibraryName, name: str, caller: Writer) -> Removed:
    """Remove a patch by its key (the beginning is enough), or the patches of a document by its doc_id."""
    patches = caller.state.catalog.engine(caller.key.tenant, library).patches
    infos = patches.ls()
    keys = match_keys(infos, name)
    if not keys:
        raise Problem(404, "patch_not_found", f"there is no patch {name[:80]!r} in {library!r}")
    patches.remove(keys)
    return Removed(removed=[asdict(info) for info in infos if info.key in keys])
