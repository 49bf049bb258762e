"""Over all ways of splitting: no row is in two parts, no time and no group on both sides of a border."""

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from studio.automl.plan import Plan, Preprocessing, Validation
from studio.automl.problem import prepare_problem
from studio.automl.series_problem import prepare_series
from studio.automl.splits import make_folds, split_rows, thin_holdout
from studio.errors import TooFewRows
from tests.automl.test_series import panel_of

SHARES = st.sampled_from([0.05, 0.1, 0.2, 0.4])
BLOCKS = st.lists(st.integers(0, 12), min_size=5, max_size=120).map(np.array)


def settings_of(split, **more):
    return st.builds(
        Validation,
        split=st.just(split),
        test_size=SHARES,
        validation_size=SHARES,
        cv_folds=st.integers(2, 6),
        random_state=st.integers(0, 99),
        **{name: st.just(value) for name, value in more.items()},
    )


def check_parts(split, n_rows):
    parts = (split.train, split.validation, split.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n_rows))
    assert min(map(len, parts)) > 0


def check_folds(problem, blocks):
    """Nothing of the test part is in a fold, and no block is on both sides of one."""
    tested = set(blocks[problem.split.test])
    for train, validation in (*problem.folds, *(pair for repeat in problem.repeats for pair in repeat)):
        assert not set(blocks[train]) & set(blocks[validation])
        assert not tested & (set(blocks[train]) | set(blocks[validation]))


@given(times=BLOCKS, wanted=settings_of("time"))
def test_rows_of_one_time_are_in_one_part(times, wanted):
    assume(len(set(times)) >= 3)
    split = split_rows(wanted, len(times), times=times.astype(float))
    check_parts(split, len(times))
    assert times[split.train].max() < times[split.validation].min()
    assert times[split.validation].max() < times[split.test].min()
    folds = make_folds(wanted, split)
    ((train, validation),) = thin_holdout(folds, 10**6, 1.0, wanted.random_state)
    assert times[train].max() < times[validation].min()


@given(groups=BLOCKS, wanted=settings_of("group"))
def test_rows_of_one_group_are_in_one_part_and_one_fold(groups, wanted):
    groups = np.unique(groups, return_inverse=True)[1]
    assume(groups.max() >= 2)
    split = split_rows(wanted, len(groups), groups=groups)
    check_parts(split, len(groups))
    parts = [set(groups[rows]) for rows in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set(groups))
    for train, validation in make_folds(wanted, split, groups=groups):
        assert not set(groups[train]) & set(groups[validation])


@given(times=BLOCKS, wanted=settings_of("time"))
def test_borders_lie_as_near_to_the_wanted_sizes_as_times_allow(times, wanted):
    assume(len(set(times)) >= 3)
    split = split_rows(wanted, len(times), times=times.astype(float))
    largest = int(np.bincount(times).max())
    assert abs(len(split.test) - max(1, round(wanted.test_size * len(times)))) <= 2 * largest


@settings(max_examples=40, deadline=None)
@given(
    days=st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=30, max_size=90),
    kind=st.sampled_from(["datetime", "number", "category"]),
    wanted=settings_of("time", time_column="day"),
    gaps=st.sampled_from(["auto", "drop"]),
)
def test_a_table_split_by_time(days, kind, wanted, gaps):
    assume(len(set(days)) >= 4)
    stamps = pd.Series(pd.to_datetime([None if day is None else f"2026-01-{day + 1:02}" for day in days]))
    column = {"datetime": stamps, "number": pd.Series(days, dtype=float), "category": stamps.dt.strftime("%Y-%m-%d")}
    frame = pd.DataFrame({"day": column[kind], "a": np.arange(len(days)) * 1.5, "y": np.arange(len(days)) % 7 + 0.5})
    plan = Plan(
        task="regression", target="y", column_types={"day": kind, "a": "number", "y": "number"}, validation=wanted,
        preprocessing=Preprocessing(handle_missing=gaps),
    )  # fmt: skip
    try:
        problem = prepare_problem(frame, plan)
    except TooFewRows:
        assert gaps == "drop"
        return
    order = np.array([-1 if day is None else day for day in days])
    check_folds(problem, order)
    assert order[problem.split.train].max() < order[problem.split.validation].min()
    assert order[problem.split.validation].max() < order[problem.split.test].min()
    if None in days:
        assert any(f"{days.count(None)} rows without a time" in text for _, text in problem.notes)


@settings(max_examples=25, deadline=None)
@given(
    groups=st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=30, max_size=90),
    wanted=settings_of("group", group_column="who"),
    task=st.sampled_from(["classification", "regression"]),
)
def test_a_table_split_by_group(groups, wanted, task):
    assume(len(set(groups)) >= 3)
    n = len(groups)
    frame = pd.DataFrame({"who": groups, "a": np.arange(n) * 1.5, "y": np.arange(n) % 2})
    types = {"who": "category", "a": "number", "y": "number"}
    problem = prepare_problem(frame, Plan(task=task, target="y", column_types=types, validation=wanted))
    check_folds(problem, pd.factorize(np.array(groups, dtype=object), use_na_sentinel=False)[0])


@settings(max_examples=15, deadline=None)
@given(horizon=st.integers(1, 12), folds=st.integers(2, 6), share=SHARES, n=st.integers(60, 130))
def test_rolling_origins_never_know_a_step_they_are_asked(horizon, folds, share, n):
    frame = panel_of("north", "south", n=n)
    wanted = Validation(group_column="shop", test_size=share, validation_size=share, cv_folds=folds)
    types = {"at": "datetime", "y": "number", "shop": "category"}
    plan = Plan(
        task="time_series", target="y", column_types=types, time_column="at", horizon=horizon, validation=wanted
    )
    problem = prepare_series(frame, plan)
    for train, validation in [*problem.folds, (problem.split.development, problem.split.test)]:
        assert problem.times[train].max() < problem.times[validation].min()
