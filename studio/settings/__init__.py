"""A model's training configuration as an API resource of its own: what a run started now would use, and why.

The configuration is a part of the model and kept there; this room shows it with the source of every key.
"""
