"""The operators: every cost formula of a model lives in this room."""
