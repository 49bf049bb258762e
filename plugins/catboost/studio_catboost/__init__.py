"""CatBoost as an estimator family, found by Model Studio through the entry points ``studio.estimators``."""
