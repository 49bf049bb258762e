"""Versions of models and which of them is in production.

Versions and the promotion are MLflow's: ``ver-007`` is registry version 7, the promoted one is where the
alias ``production`` points. Own tables hold the history of promotions, and what was last seen of each model's
registry, from which the worker tells what MLflow clients have changed since.
"""
