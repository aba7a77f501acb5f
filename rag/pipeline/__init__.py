"""The stages from a question to an answer; :mod:`rag.pipeline.build` lists them in order."""
