"""What users may set the boosters' hyperparameters to.

LightGBM's are those of its page "Parameters" (4.7), XGBoost's those of "XGBoost Parameters" (3.x): both libraries tell
of a value they do not take only when they train.
"""

from dataclasses import replace
from typing import Final

from studio.automl.spaces import ABOVE_0, FROM_0, SHARE_ABOVE_0, Choice, Limits, Number, whole

_YES_OR_NO: Final = Choice((False, True))
_SHARE: Final = Number(low=0, high=1)
_ANY: Final = Number()

_LIGHTGBM_BOOSTINGS: Final = Choice(("gbdt", "dart", "rf", None))  # goss refuses the bagging that is always on
_LIGHTGBM: Final[Limits] = {
    "bagging_fraction": SHARE_ABOVE_0,
    "bagging_freq": whole(0),
    "bin_construct_sample_cnt": whole(1),
    "boosting": _LIGHTGBM_BOOSTINGS,
    "boosting_type": _LIGHTGBM_BOOSTINGS,
    "cat_l2": FROM_0,
    "cat_smooth": FROM_0,
    "colsample_bytree": SHARE_ABOVE_0,
    "drop_rate": _SHARE,
    "extra_trees": _YES_OR_NO,
    "feature_fraction": SHARE_ABOVE_0,
    "feature_fraction_bynode": SHARE_ABOVE_0,
    "lambda_l1": FROM_0,
    "lambda_l2": FROM_0,
    "learning_rate": ABOVE_0,
    "linear_lambda": FROM_0,
    "linear_tree": _YES_OR_NO,
    "max_bin": whole(2),
    "max_cat_threshold": whole(1),
    "max_cat_to_onehot": whole(1),
    "max_delta_step": _ANY,
    "max_depth": whole(-1),
    "max_drop": whole(-1),
    "min_child_samples": whole(0),
    "min_child_weight": FROM_0,
    "min_data_in_bin": whole(1),
    "min_data_in_leaf": whole(0),
    "min_data_per_group": whole(1),
    "min_gain_to_split": FROM_0,
    "min_split_gain": FROM_0,
    "min_sum_hessian_in_leaf": FROM_0,
    "n_estimators": whole(1),
    "num_iterations": whole(1),
    "num_leaves": whole(2, 131_072),
    "path_smooth": FROM_0,
    "reg_alpha": FROM_0,
    "reg_lambda": FROM_0,
    "skip_drop": _SHARE,
    "subsample": SHARE_ABOVE_0,
    "subsample_for_bin": whole(1),
    "subsample_freq": whole(0),
}
_LIGHTGBM_OF_TASK: Final[dict[str, Limits]] = {
    "classification": {
        "class_weight": Choice(("balanced", None)),
        "is_unbalance": _YES_OR_NO,
        "scale_pos_weight": ABOVE_0,
    },
    "regression": {
        "objective": Choice(
            ("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie", None)
        ),
        "alpha": ABOVE_0,
        "fair_c": ABOVE_0,
        "poisson_max_delta_step": ABOVE_0,
        "tweedie_variance_power": Number(low=1, below=2),
    },
}


def lightgbm_limits(task: str) -> Limits:
    """Limits of every hyperparameter of LightGBM that users may set."""
    return {**_LIGHTGBM, **_LIGHTGBM_OF_TASK[task]}


def _or_null(limits: Limits) -> Limits:
    """XGBoost's own default is null throughout."""
    return {name: replace(one, words=(None,)) if isinstance(one, Number) else one for name, one in limits.items()}


_XGBOOST: Final[Limits] = {
    "booster": Choice(("gbtree", "dart", None)),  # gblinear takes no categories
    "colsample_bylevel": SHARE_ABOVE_0,
    "colsample_bynode": SHARE_ABOVE_0,
    "colsample_bytree": SHARE_ABOVE_0,
    "gamma": FROM_0,
    "grow_policy": Choice(("depthwise", "lossguide", None)),
    "learning_rate": ABOVE_0,
    "max_bin": whole(2),
    "max_cat_threshold": whole(1),
    "max_cat_to_onehot": whole(1),
    "max_delta_step": FROM_0,
    "max_depth": whole(0),
    "max_leaves": whole(0),
    "min_child_weight": FROM_0,
    "n_estimators": whole(1),
    "num_parallel_tree": whole(1),
    "reg_alpha": FROM_0,
    "reg_lambda": FROM_0,
    "sampling_method": Choice(("uniform", None)),  # gradient_based runs on GPUs
    "subsample": SHARE_ABOVE_0,
    "tree_method": Choice(("auto", "hist", "approx", None)),  # exact takes no categories
}
_XGBOOST_OF_TASK: Final[dict[str, Limits]] = {
    "classification": {
        "base_score": Number(above=0, below=1),
        "eval_metric": Choice(("auc", "aucpr", None)),  # others need to know the number of classes
        "scale_pos_weight": FROM_0,
    },
    "regression": {
        "base_score": _ANY,
        "eval_metric": Choice(("rmse", "mae", "mape", "mphe", "rmsle", None)),
        "objective": Choice(
            (
                "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror", "reg:gamma",
                "reg:tweedie", "count:poisson",
            )
        ),
    },
}  # fmt: skip


def xgboost_limits(task: str) -> Limits:
    """Limits of every hyperparameter of XGBoost that users may set."""
    return _or_null({**_XGBOOST, **_XGBOOST_OF_TASK[task]})
