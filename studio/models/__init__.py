"""ML models: the record everything else hangs on.

Truth is the own row; MLflow holds a registered model and an experiment of the same name. The row also carries what a
list must show without asking MLflow once per model: the highest version number, the promoted version, its metrics.
They are refreshed wherever versions change, and by the worker for changes made through MLflow.
"""
