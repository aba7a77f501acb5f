"""Who turns prompts into tokens: the contract and its implementations."""
