"""A model's training configuration and its settings as API resources of their own.

Both are parts of the model and kept there; this room shows the configuration with the source of every key, and the
settings with their defaults filled in.
"""
