"""Parametric RAG: documents as LoRA patches, trained many at a time, kept on disk, composed and loaded per question."""
