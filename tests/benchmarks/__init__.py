"""One file per figure, its peer measured beside it in the same run, with real processes on loopback.

``make bench NAME=start`` (or ``api``, ``search_overhead``, ``first_prediction``; ``ARGS=--help`` for their sizes). The
last line of output is one JSON object of named figures. Absolute figures belong to the machine and to what else it
does: compare ratios.
"""
