"""What goes over the wire to libraries, documents and jobs; the chat's forms are in :mod:`rag.service.chat`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rag.patches.base import BuildReport, PatchInfo
from rag.service.names import NAME_PATTERN
from rag.skills.store import Skill

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
MAX_TEXT_CHARS = 2_000_000


class Strict(BaseModel):
    """A request's part: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorBody(BaseModel):
    """An error as OpenAI's clients know it."""

    message: str
    type: str
    code: str
    param: str | None = None


class ErrorReply(BaseModel):
    """Every reply with a status of 400 or more."""

    error: ErrorBody


class NewLibrary(Strict):
    """A library to make."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "harbour"}})
    name: Name = Field(description="Lower-case letters, digits, '-' and '_'.")


class LibraryInfo(BaseModel):
    """One library of the caller."""

    name: str
    num_documents: int
    num_passages: int
    object: Literal["library"] = "library"


class LibraryList(BaseModel):
    """All libraries of the caller."""

    data: list[LibraryInfo]
    object: Literal["list"] = "list"


class NewText(Strict):
    """A text to add as a document."""

    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)
    source: str = Field(min_length=1, max_length=500, description="What citations show; the same one replaces it.")
    title: str = Field("", max_length=500)
    location: str = Field("", max_length=200, description="Where it stands in the source, such as 'page 3'.")


class NewTexts(Strict):
    """Texts to add in one job: all of them become visible together. Texts of one source are parts of one document."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"documents": [{"source": "note-1", "text": "Mina Okafor runs the harbour."}]}}
    )
    documents: list[NewText] = Field(min_length=1, max_length=1000)


class DocumentItem(BaseModel):
    """One document of a library."""

    doc_id: str
    source: str
    title: str
    num_passages: int
    size_chars: int
    added_at: str
    date: str = Field("", description="Of the document, ISO 8601; empty where neither it nor its name states one.")


class DocumentList(BaseModel):
    """The documents of a library, by source."""

    data: list[DocumentItem]
    object: Literal["list"] = "list"


class Failure(BaseModel):
    """A source that was not added, and why."""

    source: str
    reason: str


class Moved(BaseModel):
    """A file that was known again by its content under a new name; its former document was removed."""

    source: str
    former: str


class Copy(BaseModel):
    """A file with exactly the content of another one; both are in the library."""

    source: str
    original: str


class JobReport(BaseModel):
    """What a job did, by source.

    ``gone`` are documents of the named folders that were not sent; ``removed`` the same, where ``sync`` was asked for.
    """

    added: list[str] = []
    replaced: list[str] = []
    unchanged: list[str] = []
    failed: list[Failure] = []
    moved: list[Moved] = []
    copies: list[Copy] = []
    gone: list[str] = []
    removed: list[str] = []
    notes: list[str] = []
    num_passages: int = 0
    num_new_passages: int = 0


class Job(BaseModel):
    """Work on a library that outlives its request: once it is answered it survives the service.

    ``report`` is of documents that were added, ``patch_report`` of patches. What ``conflicts`` and ``audit`` give is
    read from the library; their ``num_sources`` counts sentences and claims.
    """

    id: str
    library: str
    kind: Literal["documents", "patches", "conflicts", "audit"] = "documents"
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    num_sources: int
    num_done: int = 0
    report: JobReport | None = None
    patch_report: BuildReport | None = None
    error: str | None = None
    hint: Annotated[str | None, Field(description="What a job waits for that nobody can work on at present.")] = None
    object: Literal["job"] = "job"


class JobList(BaseModel):
    """The caller's newest jobs, newest first."""

    data: list[Job]
    object: Literal["list"] = "list"


class NewPatches(Strict):
    """Documents to make patches of."""

    model_config = ConfigDict(json_schema_extra={"example": {"documents": ["note-1"]}})
    documents: list[Annotated[str, StringConstraints(min_length=1, max_length=500)]] = Field(
        [], max_length=1000, description="Sources or doc_ids; by default all that have no patch."
    )


class PatchList(BaseModel):
    """The patches of a library, by document."""

    data: list[PatchInfo]
    num_patched: int = Field(description="Documents whose present text has a patch for this model.")
    object: Literal["list"] = "list"


class SkillInfo(BaseModel):
    """A skill, as its card says."""

    name: str = Field(description="What 'rag.skill' of a chat takes.")
    kind: str
    base_name: str = Field(description="The model that it was made for.")
    license: str
    size_bytes: int
    is_default: bool = Field(description="It answers to its model without being asked for.")
    before: dict[str, float] = Field(description="Figures of the model, measured on documents that were held out.")
    after: dict[str, float] = Field(description="The same with the skill.")

    @classmethod
    def of(cls, skill: Skill) -> SkillInfo:
        """What a caller may know: no folders of this machine."""
        card = skill.card
        return cls(
            name=card.name,
            kind=card.kind,
            base_name=card.base_name,
            license=card.license,
            size_bytes=skill.size_bytes,
            is_default=card.is_default,
            before=dict(card.before),
            after=dict(card.after),
        )


class SkillList(BaseModel):
    """The skills of the service's machine."""

    data: list[SkillInfo]
    object: Literal["list"] = "list"


class RetrieveRequest(Strict):
    """Questions to rank passages for."""

    model_config = ConfigDict(json_schema_extra={"example": {"questions": ["Who runs the harbour?"], "top_k": 2}})
    questions: list[Annotated[str, StringConstraints(min_length=1, max_length=20_000)]] = Field(
        min_length=1, max_length=100
    )
    top_k: int | None = Field(None, ge=1, le=100)


class RankedPassage(BaseModel):
    """A passage and its score; higher is better, comparable within one ranking."""

    passage_id: str
    doc_id: str
    source: str
    title: str
    text: str
    start: int
    score: float
    location: str = Field("", description="Where it stands in its source, such as 'page 3'.")
    heading: str = Field("", description="The headings above it, outermost first, joined by ' > '.")
    date: str = Field("", description="Of the document, ISO 8601; empty where it states none.")


class Rankings(BaseModel):
    """One ranking per question, in their order."""

    rankings: list[list[RankedPassage]]


class Model(BaseModel):
    """Something that ``model`` of a chat may name: the base model, or a library."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "concord"
    kind: Literal["base", "library"]


class ModelList(BaseModel):
    """All models of the caller: the base first, then its libraries."""

    data: list[Model]
    object: Literal["list"] = "list"


class Removed(BaseModel):
    """What a removal took away."""

    removed: list[dict[str, Any]]
