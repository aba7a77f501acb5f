"""Training of patches: many documents at once over one frozen model."""
