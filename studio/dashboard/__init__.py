"""An organization at a glance: how many models there are, how trainings end, what happened lately.

It keeps nothing of its own and stands above training, whose runs it counts. Counts cover the whole organization, as
the API has it; what happened is told of visible models alone, so a deleted model, whose visibility nobody can tell any
more, is left out (2026-11-25).
"""
