"""What users may set CatBoost's hyperparameters to, from its page "Training parameters" (1.2).

CatBoost tells of a value that it does not take only when it trains.
"""

from typing import Final

from studio.automl.spaces import ABOVE_0, FROM_0, SHARE_ABOVE_0, Choice, Limits, Number, whole

_SHARED: Final[Limits] = {
    "iterations": whole(1),
    "n_estimators": whole(1),
    "num_boost_round": whole(1),
    "num_trees": whole(1),
    "learning_rate": ABOVE_0,
    "depth": whole(1, 16),
    "l2_leaf_reg": FROM_0,
    "model_size_reg": FROM_0,
    "random_strength": FROM_0,
    "bagging_temperature": FROM_0,
    "bootstrap_type": Choice(("Bayesian", "Bernoulli", "MVS", "No")),
    "subsample": SHARE_ABOVE_0,
    "sampling_frequency": Choice(("PerTree", "PerTreeLevel")),
    "rsm": SHARE_ABOVE_0,
    "border_count": whole(1, 65_535),
    "feature_border_type": Choice(
        ("GreedyLogSum", "MaxLogSum", "Median", "MinEntropy", "Uniform", "UniformAndQuantiles")
    ),
    "nan_mode": Choice(("Min", "Max")),
    "grow_policy": Choice(("SymmetricTree", "Depthwise", "Lossguide")),
    "min_data_in_leaf": whole(1),
    "max_leaves": whole(2, 64),
    "boosting_type": Choice(("Ordered", "Plain")),
    "fold_len_multiplier": Number(above=1),
    "leaf_estimation_iterations": whole(1),
    "leaf_estimation_backtracking": Choice(("No", "AnyImprovement")),
    "one_hot_max_size": whole(0, 255),
    "max_ctr_complexity": whole(0, 16),
    "counter_calc_method": Choice(("SkipTest", "Full")),
    "has_time": Choice((False, True)),
}
# What a value goes with alone, which must then be set beside it.
NEEDS: Final = {
    "subsample": ("bootstrap_type", ("Bernoulli", "MVS")),
    "bagging_temperature": ("bootstrap_type", ("Bayesian", None)),
    "max_leaves": ("grow_policy", ("Lossguide",)),
}
_OF_TASK: Final[dict[str, Limits]] = {
    "classification": {"auto_class_weights": Choice(("None", "Balanced", "SqrtBalanced"))},
    "regression": {"loss_function": Choice(("RMSE", "MAE", "MAPE", "Quantile", "LogCosh", "Poisson"))},
}


def limits_of(task: str) -> Limits:
    """Limits of every hyperparameter that users may set."""
    return {**_SHARED, **_OF_TASK[task]}
