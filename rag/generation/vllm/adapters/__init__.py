"""Adapters in vLLM: parts are sent once and kept by content, and each adapter is composed in the workers' memory.

    recipe    what an adapter is made of, as it travels with a request
    worker    in each vLLM worker: keeps the parts, composes what is asked for
    held      the worker's book-keeping, without vLLM
    engine    beside the engine: an adapter stays held while a request runs with it
    http      the same for a server: how parts get there, and how a request names its adapter

An adapter is named by its content and its tenant, so nothing that vLLM keeps by name (loaded adapters, cached
prefixes) belongs to another adapter or another tenant. Nothing is written to disk.
"""
