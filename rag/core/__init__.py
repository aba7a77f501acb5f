"""The nouns that everything speaks in, the settings, and the errors. Imports nothing of the engine."""
