"""Whether passages support an answer."""
