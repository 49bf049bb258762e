"""Asking a version: so far for one prediction, to try a model out.

A prediction runs in the version's model host, never here, and is neither logged nor counted.
"""
