"""The skills that a chat may name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from rag.service.routes.access import Allow, Caller, CheckedRoute
from rag.service.schemas import SkillInfo, SkillList
from rag.skills.store import SkillStore, skills_folder

router = APIRouter(prefix="/v1", tags=["skills"], route_class=CheckedRoute)


@router.get("/skills")
def list_skills(caller: Annotated[Caller, Depends(Allow("read"))]) -> SkillList:
    """The skills of this machine, with the figures on their cards: whatever ``rag.skill`` of a chat may name.

    One answers only with the model that it was made for.
    """
    store = SkillStore(skills_folder(caller.state.catalog.config.cache_dir))
    return SkillList(data=[SkillInfo.of(skill) for skill in store.ls()])
