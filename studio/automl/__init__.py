"""AutoML: a table and a plan in, a fitted pipeline and its history out.

A library of its own: it knows no Flask, no database and no MLflow. ``search.search`` is the way in; families of
estimators come in through entry points. Whatever makes the search stronger changes what lies behind ``search``, not
``Plan``, ``Observer`` and ``SearchResult``.
"""
