"""Who shares a model: the routes over its collaborators.

Roles are kept in ``collaborators``, which lies below models because whether a model is visible depends on them.
Sharing also reads the model, changes its ETag and looks at its settings, so it lies above models, without tables.
"""
