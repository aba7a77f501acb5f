"""Retrieval along the knowledge graph."""
