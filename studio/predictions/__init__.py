"""Asking a version: by its deployments, to try it out, and for why it says what it says.

All of it runs in the version's model host, never here. What deployments answer enters the prediction log, which their
hosts write; neither a trial nor an explanation is logged or counted.
"""
