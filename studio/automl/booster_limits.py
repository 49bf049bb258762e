"""What users may set the boosters' hyperparameters to.

LightGBM's are those of its page "Parameters" (4.7), XGBoost's those of "XGBoost Parameters" (3.x): both libraries tell
of a value they do not take only when they train.
"""

from typing import Final

from studio.automl.spaces import Choice, Limits, Number

LARGEST: Final = 2**31 - 1  # both hold whole numbers in 32 bits

_YES_OR_NO: Final = Choice((False, True))
_SHARE: Final = Number(low=0, high=1)
_SHARE_ABOVE_0: Final = Number(above=0, high=1)
_FROM_0: Final = Number(low=0)
_ABOVE_0: Final = Number(above=0)
_ANY: Final = Number()


def _whole(low: int, high: int = LARGEST) -> Number:
    return Number(low=low, high=high, is_whole=True)


_LIGHTGBM_BOOSTINGS: Final = Choice(("gbdt", "dart", "rf", None))  # goss refuses the bagging that is always on
_LIGHTGBM: Final[Limits] = {
    "bagging_fraction": _SHARE_ABOVE_0,
    "bagging_freq": _whole(0),
    "bin_construct_sample_cnt": _whole(1),
    "boosting": _LIGHTGBM_BOOSTINGS,
    "boosting_type": _LIGHTGBM_BOOSTINGS,
    "cat_l2": _FROM_0,
    "cat_smooth": _FROM_0,
    "colsample_bytree": _SHARE_ABOVE_0,
    "drop_rate": _SHARE,
    "extra_trees": _YES_OR_NO,
    "feature_fraction": _SHARE_ABOVE_0,
    "feature_fraction_bynode": _SHARE_ABOVE_0,
    "lambda_l1": _FROM_0,
    "lambda_l2": _FROM_0,
    "learning_rate": _ABOVE_0,
    "linear_lambda": _FROM_0,
    "linear_tree": _YES_OR_NO,
    "max_bin": _whole(2),
    "max_cat_threshold": _whole(1),
    "max_cat_to_onehot": _whole(1),
    "max_delta_step": _ANY,
    "max_depth": _whole(-1),
    "max_drop": _whole(-1),
    "min_child_samples": _whole(0),
    "min_child_weight": _FROM_0,
    "min_data_in_bin": _whole(1),
    "min_data_in_leaf": _whole(0),
    "min_data_per_group": _whole(1),
    "min_gain_to_split": _FROM_0,
    "min_split_gain": _FROM_0,
    "min_sum_hessian_in_leaf": _FROM_0,
    "n_estimators": _whole(1),
    "num_iterations": _whole(1),
    "num_leaves": _whole(2, 131_072),
    "path_smooth": _FROM_0,
    "reg_alpha": _FROM_0,
    "reg_lambda": _FROM_0,
    "skip_drop": _SHARE,
    "subsample": _SHARE_ABOVE_0,
    "subsample_for_bin": _whole(1),
    "subsample_freq": _whole(0),
}
_LIGHTGBM_OF_TASK: Final[dict[str, Limits]] = {
    "classification": {
        "class_weight": Choice(("balanced", None)),
        "is_unbalance": _YES_OR_NO,
        "scale_pos_weight": _ABOVE_0,
    },
    "regression": {
        "objective": Choice(
            ("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie", None)
        ),
        "alpha": _ABOVE_0,
        "fair_c": _ABOVE_0,
        "poisson_max_delta_step": _ABOVE_0,
        "tweedie_variance_power": Number(low=1, below=2),
    },
}


def lightgbm_limits(task: str) -> Limits:
    """Limits of every hyperparameter of LightGBM that users may set."""
    return {**_LIGHTGBM, **_LIGHTGBM_OF_TASK[task]}


def _or_null(limits: Limits) -> Limits:
    """XGBoost's own default is null throughout."""
    return {
        name: Number(one.low, one.high, one.above, one.below, one.is_whole, (None,)) if isinstance(one, Number) else one
        for name, one in limits.items()
    }


_XGBOOST: Final[Limits] = {
    "booster": Choice(("gbtree", "dart", None)),  # gblinear takes no categories
    "colsample_bylevel": _SHARE_ABOVE_0,
    "colsample_bynode": _SHARE_ABOVE_0,
    "colsample_bytree": _SHARE_ABOVE_0,
    "gamma": _FROM_0,
    "grow_policy": Choice(("depthwise", "lossguide", None)),
    "learning_rate": _ABOVE_0,
    "max_bin": _whole(2),
    "max_cat_threshold": _whole(1),
    "max_cat_to_onehot": _whole(1),
    "max_delta_step": _FROM_0,
    "max_depth": _whole(0),
    "max_leaves": _whole(0),
    "min_child_weight": _FROM_0,
    "n_estimators": _whole(1),
    "num_parallel_tree": _whole(1),
    "reg_alpha": _FROM_0,
    "reg_lambda": _FROM_0,
    "sampling_method": Choice(("uniform", None)),  # gradient_based runs on GPUs
    "subsample": _SHARE_ABOVE_0,
    "tree_method": Choice(("auto", "hist", "approx", None)),  # exact takes no categories
}
_XGBOOST_OF_TASK: Final[dict[str, Limits]] = {
    "classification": {
        "base_score": Number(above=0, below=1),
        "eval_metric": Choice(("auc", "aucpr", None)),  # others need to know the number of classes
        "scale_pos_weight": _FROM_0,
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
