"""Knowledge graph over passages: what they mention, what they claim, and how to walk from claim to claim."""
