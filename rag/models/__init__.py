"""Where models come from: the embedded defaults, folders, GGUF files and the model hub.

``resolve`` turns what a user names into a folder that the model libraries can load. Everything that has to be made or
fetched for that is made once, in the user's cache. ``sentence_encoder`` loads and runs the sentence encoder;
generators are loaded by ``rag.generation.load``.
"""
