"""Training runs: the queue, the run processes, and the events everything about a run is told by.

An own row holds a run's place in the queue, its lease and its outcome; MLflow holds its parameters, metrics and
artifacts. ``run_events`` is the one record of what happened: sockets, logs and progress are all read from it. A run
is written to by its run process while that lives, and by the worker once it has been reaped; a deletion of its model
cancels it at once, and whoever comes second finds it ended (2026-11-25).
"""
