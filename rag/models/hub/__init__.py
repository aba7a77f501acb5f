"""Models that are fetched: from a hub, or as packages."""
