"""Knowledge graph over passages: what they mention, what they claim, where they disagree, and how to walk it."""
