"""One module for each type of file: bytes to blocks (:mod:`rag.ingest.blocks`)."""
