"""One chat request: its form, its history, its run, its reply."""
