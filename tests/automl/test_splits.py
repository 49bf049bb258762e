"""Rows are divided once, evenly, and nothing is in two parts."""

import numpy as np
import pytest

from studio.automl.plan import Validation
from studio.automl.splits import CROSS_VALIDATED_ROWS, make_folds, make_repeats, split_rows
from studio.errors import TooFewRows


def parts(split):
    return np.concatenate([split.train, split.validation, split.test])


def test_every_row_is_in_one_part_of_the_wanted_size():
    split = split_rows(Validation(test_size=0.3, validation_size=0.1), 1000)
    assert sorted(parts(split)) == list(range(1000))
    assert (len(split.test), len(split.validation)) == (300, 100)


def test_the_seed_decides():
    first, same, other = (split_rows(Validation(random_state=seed), 50) for seed in (1, 1, 2))
    np.testing.assert_array_equal(parts(first), parts(same))
    assert parts(first).tolist() != parts(other).tolist()


def test_classes_keep_their_shares():
    strata = np.repeat([0, 1], [900, 100])
    split = split_rows(Validation(), 1000, strata=strata)
    for rows in (split.train, split.validation, split.test):
        assert strata[rows].mean() == pytest.approx(0.1, abs=0.01)


def test_a_class_of_one_row_trains_and_one_of_two_is_also_trained_on():
    for seed in range(20):
        strata = np.array([0] * 40 + [1] + [2, 2])
        split = split_rows(Validation(random_state=seed), 43, strata=strata)
        assert {0, 1, 2} <= set(strata[split.train])


def test_the_newest_rows_test():
    times = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 0.0, -np.inf, 6.0, 7.0, 8.0])
    split = split_rows(Validation(split="time"), 10, times=times)
    assert times[split.train].max() < times[split.validation].min()
    assert times[split.validation].max() < times[split.test].min()
    assert len(make_folds(Validation(split="time"), split)) == 1


def test_groups_stay_together():
    groups = np.random.default_rng(0).integers(12, size=300)
    settings = Validation(split="group")
    split = split_rows(settings, 300, groups=groups)
    found = [set(groups[rows]) for rows in (split.train, split.validation, split.test)]
    assert sum(map(len, found)) == 12
    assert 30 <= len(split.test) <= 90
    for train, validation in make_folds(settings, split, groups=groups):
        assert not set(groups[train]) & set(groups[validation])


def test_too_few_rows_or_groups_are_refused():
    with pytest.raises(TooFewRows):
        split_rows(Validation(), 2)
    with pytest.raises(TooFewRows):
        split_rows(Validation(split="group"), 100, groups=np.arange(100) % 2)


def test_folds_cover_all_that_is_not_tested_and_keep_the_classes():
    strata = np.repeat([0, 1], [270, 30])
    split = split_rows(Validation(), 300, strata=strata)
    folds = make_folds(Validation(cv_folds=4), split, strata=strata)
    assert len(folds) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in folds])), split.development)
    for train, validation in folds:
        assert not set(train) & set(validation)
        assert 5 <= strata[validation].sum() <= 7


def test_large_tables_have_one_holdout():
    split = split_rows(Validation(), 2 * CROSS_VALIDATED_ROWS)
    ((train, validation),) = make_folds(Validation(), split)
    np.testing.assert_array_equal(train, split.train)
    np.testing.assert_array_equal(validation, split.validation)


def test_small_tables_have_their_folds_drawn_anew():
    strata = np.repeat([0, 1], [270, 30])
    split = split_rows(Validation(), 300, strata=strata)
    folds = make_folds(Validation(), split, strata=strata)
    repeats = make_repeats(Validation(), split, strata=strata)
    assert len(repeats) == 3
    for repeat in repeats:
        np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in repeat])), split.development)
        assert repeat[0][1].tolist() != folds[0][1].tolist()
    assert repeats[0][0][1].tolist() != repeats[1][0][1].tolist()


def test_one_holdout_and_rows_that_stay_together_are_not_drawn_anew():
    assert make_repeats(Validation(), split_rows(Validation(), 2 * CROSS_VALIDATED_ROWS)) == ()
    times = np.arange(100.0)
    by_time = Validation(split="time")
    assert make_repeats(by_time, split_rows(by_time, 100, times=times)) == ()
