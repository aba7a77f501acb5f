"""Patches on disk: the folder of one, its key, the store of all, and the limit on their size."""
