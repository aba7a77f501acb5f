"""Exported graphs are read back by networkx with every node and edge."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest

from kg.export import export_graph
from kg.graph import KnowledgeGraph
from kg.types import Extraction, Mention, Provenance, Triple
from rag.core.errors import SettingError

PLACE = Provenance("d", "d:0", 0, 3)


@pytest.fixture
def graph() -> KnowledgeGraph:
    triples = (Triple("ada", "spouse", "ben", PLACE), Triple("ada", "teacher", "ben", PLACE))
    return KnowledgeGraph([Extraction("d", "d:0", (Mention("ada", PLACE),), triples)])


@pytest.mark.parametrize("suffix", [".graphml", ".gexf", ".json"])
def test_every_edge_is_exported(graph: KnowledgeGraph, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"graph{suffix}"
    assert export_graph(graph, file) == 3
    match suffix:
        case ".graphml":
            read = nx.read_graphml(file, force_multigraph=True)
        case ".gexf":
            read = nx.read_gexf(file)
        case _:
            read = nx.node_link_graph(json.loads(file.read_text()), edges="edges")
    assert set(read.nodes) == {"entity:ada", "entity:ben", "passage:d:0"}
    edges = {(a, data["relation"], b) for a, b, data in read.edges(data=True)}
    claims = {("entity:ada", "spouse", "entity:ben"), ("entity:ada", "teacher", "entity:ben")}
    assert edges == claims | {("passage:d:0", "mentions", "entity:ada")}


def test_other_formats_are_refused(graph: KnowledgeGraph, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="expected a name that ends in"):
        export_graph(graph, tmp_path / "graph.xlsx")
    with pytest.raises(SettingError, match="choose another file"):
        export_graph(graph, tmp_path / "nowhere" / "graph.json")
