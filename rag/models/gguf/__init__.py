"""GGUF files: what their header says, and their conversion."""
