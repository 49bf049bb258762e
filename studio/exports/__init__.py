"""A fitted model in forms that others can load: pickle and skops."""
