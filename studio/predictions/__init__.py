"""Asking a version: for one prediction, to try a model out, and why it says what it says.

All of it runs in the version's model host, never here; neither a trial nor an explanation is logged or counted.
"""
