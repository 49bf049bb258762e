"""The audit log: who changed what, in a chain of hashes that shows every later change to it.

Entries live in an own table that grows only: triggers refuse UPDATE and DELETE, and entries outlive their model.
An entry is written in the transaction of the change it tells of; the head row of an organization's chain is locked
meanwhile, so that numbers have no gap and no two entries follow the same one.

Details are canonical JSON. RFC 8785 has no form for whole numbers beyond 2^53 - 1: they are kept as texts of their
digits, as RFC 7493 recommends, so that no writing call fails for a fact of its entry. An entry that somebody tampered
with is still listed, with what cannot be read named in ``unreadable`` (2026-11-25).
"""
