"""Settings: one frozen object, its file, and the options of a question."""
