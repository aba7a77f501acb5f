"""A whole library looked through, for the command line, agents and the service."""
