import numpy as np
import pytest

from studio.evaluation.mistakes import confidences_of, find_mistakes
from studio.evaluation.slices import slice_codes, slice_numbers
from studio.evaluation.stored import SplitEvaluation


def told(slices):
    return [(part.value, part.rows.tolist()) for part in slices]


def test_rare_values_are_pooled_at_the_end():
    codes, names = np.array([0, 1, 1, -1, 2, 1, 0]), ["b", "a", "🚚"]
    assert told(slice_codes(codes, names, 4)) == [("a", [1, 2, 5]), ("b", [0, 6]), (None, [3]), ("🚚", [4])]
    assert told(slice_codes(codes, names, 3)) == [("a", [1, 2, 5]), ("b", [0, 6]), ("other", [3, 4])]
    assert told(slice_codes(codes, names, 1)) == [("other", list(range(7)))]


def test_a_value_called_other_joins_the_pool():
    assert told(slice_codes(np.array([0, 0, 1, 2]), ["other", "a", "b"], 2)) == [("a", [2]), ("other", [0, 1, 3])]


def test_equal_names_are_one_slice():
    assert told(slice_codes(np.array([0, 1, 2, -1]), ["a", "b", "a"], 5)) == [("a", [0, 2]), (None, [3]), ("b", [1])]


@pytest.mark.parametrize(("most", "ranges"), [(1, 1), (9, 9), (10, 10), (20, 10)])
def test_numbers_are_cut_into_ranges_of_as_many_rows(most, ranges):
    slices = slice_numbers(np.arange(90.0), str, most)
    assert len(slices) == ranges
    assert sum(len(part.rows) for part in slices) == 90


def test_few_numbers_and_missing_ones():
    numbers = np.array([1.0, np.nan, 2.0, 2.0, np.inf, 1e300])
    slices = slice_numbers(numbers, repr, 20)
    assert told(slices)[0] == ("[2.0, 1e+300)", [2, 3])
    assert (None, [1]) in told(slices)
    assert told(slice_numbers(np.full(3, 7.0), repr, 20)) == [("[7.0, inf)", [0, 1, 2])]
    assert told(slice_numbers(np.full(2, np.nan), repr, 1)) == [(None, [0, 1])]


def test_mistakes_are_ranked_by_confidence_and_filtered():
    true, pred = np.array(list("aabb"), dtype=object), np.array(list("bbba"), dtype=object)
    proba = np.array([[0.4, 0.6], [0.1, 0.9], [0.5, 0.5], [np.nan, 0.2]])
    split = SplitEvaluation(np.arange(4), true, pred, proba)
    sure = confidences_of(split, ("a", "b"))
    assert find_mistakes(split, sure).tolist() == [1, 0, 3]
    assert find_mistakes(split, sure, true_label="b").tolist() == [3]
    assert find_mistakes(split, sure, predicted_label="b", min_confidence=0.9).tolist() == [1]
    bare = SplitEvaluation(np.arange(4), true, pred)
    assert find_mistakes(bare, confidences_of(bare, ("a", "b"))).tolist() == [0, 1, 3]
