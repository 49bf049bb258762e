"""Tells people and programs what happened: rows written with what they tell of, sent by the worker.

A room says what happened with ``announce`` in its own transaction; whether and when it is sent is decided here.
"""
