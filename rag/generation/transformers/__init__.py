"""The generator that runs in this process on the transformers library."""
