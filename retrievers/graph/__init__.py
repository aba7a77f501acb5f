"""Retrieval over the knowledge graph."""
