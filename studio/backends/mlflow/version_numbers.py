"""MLflow compares a version's number with the text a client sent, which PostgreSQL refuses: archiving the versions in
a stage failed there. Here the column reads such a text as the number it is.
"""

from mlflow.store.model_registry.dbmodels.models import SqlModelVersion


def install_version_numbers() -> None:
    """Let MLflow's tables take version numbers as text in this process, on every database; safe to repeat."""
    number = SqlModelVersion.__table__.c.version.type
    number.coerce_compared_value = lambda op, value: number
