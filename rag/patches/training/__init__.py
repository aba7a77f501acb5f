"""Training adapters of many documents at once over one frozen model."""
