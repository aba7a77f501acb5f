"""Libraries for agents: tools and resources over the Model Context Protocol."""
