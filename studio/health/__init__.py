"""The service about itself: alive, ready, measured, and documented.

Nothing here is stored. Readiness asks every backend for real, each in a thread of its own: a database that hangs
makes a check fail after some seconds, it does not make the answer hang.
"""
