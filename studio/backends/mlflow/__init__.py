"""MLflow, the only place that imports it: registry, runs, models, and its server mounted below ``/mlflow``.

An organization is an MLflow workspace. Clients and our own processes share one database and one artifact root; for
clients every artifact lies at ``mlflow-artifacts:/``, which our own processes resolve to the root themselves.
A process puts ``environment_of(...)`` into its environment before it imports anything here but ``environment``.
"""
