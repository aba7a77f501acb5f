"""Export a knowledge graph to other tools: GraphML, GEXF or node-link JSON, through networkx."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kg.graph import KnowledgeGraph
from rag.core.errors import SettingError

if TYPE_CHECKING:
    import networkx as nx

FORMATS = (".graphml", ".gexf", ".json")


def export_graph(graph: KnowledgeGraph, file: Path) -> int:
    """Write entities, passages and their edges to ``file``; its suffix chooses the format. Returns the number of edges.

    Raises:
        SettingError: unknown suffix, or the file cannot be written.
    """
    if file.suffix not in FORMATS:
        raise SettingError(f"{file.name!r}: expected a name that ends in {', '.join(FORMATS)}")
    import networkx as nx

    flat = _flatten(graph.to_networkx())
    try:
        match file.suffix:
            case ".graphml":
                nx.write_graphml(flat, file)
            case ".gexf":
                nx.write_gexf(flat, file)
            case _:
                file.write_text(
                    json.dumps(nx.node_link_data(flat, edges="edges"), ensure_ascii=False), encoding="utf-8"
                )
    except OSError as error:
        raise SettingError(f"cannot write {file}: {error.strerror}; choose another file") from error
    return int(flat.number_of_edges())


def _flatten(graph: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """The same graph with strings and numbers only, as the formats require."""
    import networkx as nx

    flat = nx.MultiDiGraph()
    for kind, name in graph.nodes:
        flat.add_node(f"{kind}:{name}", kind=kind, label=name)
    for (kind, source), (other, target), relation, data in graph.edges(keys=True, data=True):
        passages = " ".join(dict.fromkeys(source.passage_id for source in data["sources"]))
        ends = (f"{kind}:{source}", f"{other}:{target}")
        flat.add_edge(*ends, relation=relation, weight=data["weight"], passages=passages)
    return flat
