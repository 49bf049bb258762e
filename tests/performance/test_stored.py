from datetime import UTC, datetime

import numpy as np
import pytest

from studio.evaluation.stored import (
    SUMMARY,
    Evaluation,
    SplitEvaluation,
    file_of,
    read_split,
    read_summary,
    write_evaluation,
)

NOW = datetime(2026, 5, 3, 7, 1, 27, tzinfo=UTC)


def made(labels, splits, **facts):
    return Evaluation(
        **{
            "task": "classification" if labels else "regression",
            "labels": labels,
            "positive_label": labels[-1] if labels else None,
            "primary_metric": "roc_auc",
            "metrics": {"test": {"accuracy": 0.9, "roc_auc": None}},
            "intervals": {"test": {"accuracy": (0.8, 0.95)}},
            "splits": splits,
            "feature_columns": ("b", "a"),
            "computed_at": NOW,
            **facts,
        }
    )


def test_a_classification_comes_back_as_it_was_written(tmp_path):
    labels = ("y_true", 'é, "x"')  # labels are data: neither column names nor quotes may confuse them
    proba = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    split = SplitEvaluation(
        np.array([7, 3, 9]), np.array([labels[1], labels[0], labels[0]]), np.array(labels[:1] * 3), proba
    )

    files = write_evaluation(tmp_path / "new", made(labels, {"test": split}))
    summary = read_summary((tmp_path / "new" / SUMMARY).read_bytes())
    read = read_split((tmp_path / "new" / file_of("test")).read_bytes(), summary.labels)

    assert sorted(file.name for file in files) == ["summary.json", "test.parquet"]
    assert (summary.task, summary.labels, summary.positive_label) == ("classification", labels, labels[1])
    assert (summary.sample_counts, summary.feature_columns, summary.computed_at) == ({"test": 3}, ("b", "a"), NOW)
    assert summary.metrics == {"test": {"accuracy": 0.9, "roc_auc": None}}
    assert summary.intervals == {"test": {"accuracy": (0.8, 0.95)}}
    assert read.row_index.tolist() == [7, 3, 9]
    assert read.y_true.tolist() == [labels[1], labels[0], labels[0]]
    assert read.y_pred.tolist() == [labels[0]] * 3
    assert read.proba.tolist() == proba.tolist()


def test_a_regression_has_numbers_and_no_probabilities(tmp_path):
    split = SplitEvaluation(np.arange(2), np.array([1, 2]), np.array([1.5, 2.5]))
    write_evaluation(tmp_path, made(None, {"train": split}))
    read = read_split((tmp_path / file_of("train")).read_bytes(), None)

    assert (read.y_true.tolist(), read.y_pred.tolist(), read.proba) == ([1.0, 2.0], [1.5, 2.5], None)


def test_a_classifier_may_have_no_probabilities_and_a_split_no_rows(tmp_path):
    empty = SplitEvaluation(np.arange(0), np.array([], dtype=str), np.array([], dtype=str))
    write_evaluation(tmp_path, made(("a", "b"), {"test": empty}))
    read = read_split((tmp_path / file_of("test")).read_bytes(), ("a", "b"))

    assert (read.n_rows, read.proba) == (0, None)
    assert read_summary((tmp_path / SUMMARY).read_bytes()).sample_counts == {"test": 0}


def test_numbers_that_are_none_are_written_as_null(tmp_path):
    split = SplitEvaluation(np.arange(1), np.array([1.0]), np.array([1.0]))
    write_evaluation(tmp_path, made(None, {"test": split}, metrics={"test": {"r2": float("nan")}}))
    assert read_summary((tmp_path / SUMMARY).read_bytes()).metrics == {"test": {"r2": None}}


@pytest.mark.parametrize("name", ["test", "holdout"])
def test_predictions_that_do_not_fit_are_refused(tmp_path, name):
    split = SplitEvaluation(np.arange(1), np.array(["a"]), np.array(["a"]), np.array([[0.2, 0.3, 0.5]]))
    with pytest.raises(ValueError, match=r"holdout|shape"):
        write_evaluation(tmp_path, made(("a", "b"), {name: split}))


def test_a_time_series_keeps_its_times_and_naive_errors(tmp_path):
    times = np.array(["2026-05-03T07:00:00", "2026-05-04"], dtype="datetime64[us]")
    split = SplitEvaluation(
        np.array([0, 1]), np.array([1.0, 2]), np.array([1.0, 3]), None, np.array([2.0, np.nan]), times
    )

    write_evaluation(tmp_path, made(None, {"test": split}, task="time_series"))
    read = read_split((tmp_path / file_of("test")).read_bytes(), None)

    assert read.times.tolist() == times.tolist()
    np.testing.assert_array_equal(read.naive_errors, [2.0, np.nan])
