"""Whether two sentences contradict each other."""
