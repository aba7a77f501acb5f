"""The HTTP service: an OpenAI-compatible chat over libraries, for many tenants."""
