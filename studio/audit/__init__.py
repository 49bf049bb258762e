"""The audit log: who changed what, in a chain of hashes that shows every later change to it.

Entries live in an own table that grows only: triggers refuse UPDATE and DELETE, and entries outlive their model.
An entry is written in the transaction of the change it tells of; the head row of an organization's chain is locked
meanwhile, so that numbers have no gap and no two entries follow the same one.
"""
