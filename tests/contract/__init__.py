"""Holds the service to its published contract, operation by operation.

What is promised is read from the published document and from tables written out here; which operations there are
is read from the application. Nothing is taken from the code under test to say what is right.
"""
