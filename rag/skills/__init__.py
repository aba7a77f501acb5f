"""Skills: adapters that teach a model to read and to judge, and what makes, keeps and serves them."""
