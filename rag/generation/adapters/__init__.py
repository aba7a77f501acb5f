"""Adapters: low-rank changes of a model, one or several with weights, as each engine runs them."""
