"""The generator that runs on vLLM, in this process or over HTTP."""
