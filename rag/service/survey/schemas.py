"""What goes over the wire to a document, conflicts, an audit and a graph."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.service.schemas import DocumentItem, Strict

SurveyKind = Literal["conflicts", "audit"]


class PassageItem(BaseModel):
    """A passage of a document."""

    passage_id: str
    text: str
    start: int
    location: str = Field("", description="Where it stands in its source, such as 'page 3'.")
    heading: str = ""


class DocumentText(DocumentItem):
    """A document with a part of its passages."""

    passages: list[PassageItem]


class PlaceItem(BaseModel):
    """One sentence that says so."""

    sentence: str
    passage_id: str
    doc_id: str
    source: str
    title: str
    location: str
    date: str = Field("", description="Of the statement or its document, ISO 8601; empty where unknown.")


class SideItem(BaseModel):
    """One of the values, and what says so; the newest place first."""

    object: str
    places: list[PlaceItem]
    num_places: int


class ConflictItem(BaseModel):
    """Statements of different documents that cannot all be true; the side with the latest date first."""

    kind: Literal["value", "negation", "opposite", "claim"]
    confidence: float
    subject: str
    relation: str
    sides: list[SideItem]


class SurveyReport(BaseModel):
    """The newest result of looking through a library."""

    made_at: str = Field(default="", description="ISO 8601; empty if it was never done.")
    is_current: bool = Field(default=False, description="The library has not changed since.")
    stamp: str = Field(default="", exclude=True)


class ConflictReport(SurveyReport):
    """What contradicts what in a library, surest first."""

    data: list[ConflictItem] = []
    num_conflicts: int = 0
    object: Literal["list"] = "list"


class BeliefItem(BaseModel):
    """What the model says, without documents, to one claim of a document."""

    question: str
    claimed: str = Field(description="The answer as the document gives it.")
    doc_id: str
    source: str
    believed: str = Field(description="The model's own answer.")
    knows: float = Field(description="0 to 1, the probability that its answer is right.")
    relation: Literal["contradicts", "unsure", "agrees"]


class AuditReport(SurveyReport):
    """What the model holds of a library's claims: what it knows otherwise first, then what it does not know."""

    data: list[BeliefItem] = []
    num_contradicts: int = 0
    num_unsure: int = 0
    num_agrees: int = 0
    model: str = ""
    is_calibrated: bool = Field(
        default=True, description="Without a calibration of the model it never knows otherwise."
    )
    object: Literal["list"] = "list"


class NewAudit(Strict):
    """How much to ask."""

    model_config = ConfigDict(json_schema_extra={"example": {"limit": 100}})
    limit: int = Field(200, ge=1, le=5000, description="Ask about at most this many claims.")


class GraphDocument(BaseModel):
    """A document in a graph."""

    doc_id: str
    source: str
    title: str
    is_centre: bool = Field(description="It was asked for.")


class GraphName(BaseModel):
    """A name in a graph."""

    name: str = Field(description="In the graph's own spelling.")
    label: str = Field(description="As a text spells it.")


class GraphNaming(BaseModel):
    """A document names something, in so many passages."""

    doc_id: str
    name: str
    num_passages: int


class GraphLink(BaseModel):
    """A claim that connects two names, and the documents that make it."""

    subject: str
    relation: str
    object: str
    doc_ids: list[str]


class GraphPart(BaseModel):
    """The names and links around documents, or around a name."""

    documents: list[GraphDocument]
    names: list[GraphName]
    namings: list[GraphNaming]
    links: list[GraphLink]
    num_names: int = Field(description="Names that the documents in the middle hold, shown or not.")
