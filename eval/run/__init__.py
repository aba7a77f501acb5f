"""One run: trials, batches, answers, records, resuming."""
