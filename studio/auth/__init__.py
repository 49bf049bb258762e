"""Tokens: which are revoked, which stream tickets are out. Own tables; signatures are checked at the edge.

Revoked tokens are looked up on every call, by primary key: a revocation counts on every process at once.
"""
