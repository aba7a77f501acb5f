"""Whether two answers say the same, by what they mean."""
