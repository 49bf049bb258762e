import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from studio.domain.versions import VersionStatus
from studio.errors import NoEvaluation, NotApplicable, NoVersion, UnknownClass, VersionNotFound
from studio.evaluation.stored import SplitEvaluation
from studio.performance import service as performance
from studio.versions import service as versions
from tests.factories import make_model
from tests.performance.factories import LATE, add_evaluated, evaluation, late_split
from tests.versions.factories import add_by_client, add_version

ON_TEST = {"version_id": None, "dataset_split": "test"}
ROC = {"resolution": 100, "class_label": None}


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.fixture
def add(open_stores, model, clock):
    """Makes a promoted version with an evaluation."""

    def add(splits, *args, **facts):
        with open_stores() as stores:
            version = add_evaluated(stores, model, evaluation(clock.now, splits, *args, **facts))
        with open_stores() as stores:
            versions.promote_version(stores, model.id, version.id)
        return version

    return add


@pytest.fixture
def ask(open_stores, model):
    def ask(verb, **choices):
        with open_stores(write=False) as stores:
            return getattr(performance, verb)(stores, model.id, **{**ON_TEST, **choices})

    return ask


def test_everything_is_of_the_promoted_version_and_the_test_split(add, ask, clock):
    train, test = late_split(60, seed=2), late_split(40)
    add({"train": train, "test": test})

    summary = ask("summarize")
    assert (summary.version_id, summary.dataset_split, summary.sample_count) == ("ver-001", "test", 40)
    assert summary.result.metrics["test"]["roc_auc"] == pytest.approx(
        roc_auc_score(test.y_true == "late", test.proba[:, 0])
    )
    assert summary.result.computed_at == clock.now

    matrix = ask("make_confusion_matrix", normalize=False)
    assert np.array(matrix.result.matrix).tolist() == confusion_matrix(test.y_true, test.y_pred, labels=LATE).tolist()
    assert matrix.result.binary.positive_label == "late"

    curve = ask("make_roc_curve", **ROC)
    assert curve.result.class_label == "late"
    assert curve.result.roc_auc == pytest.approx(roc_auc_score(test.y_true == "late", test.proba[:, 0]))


def test_another_split_and_version_can_be_asked_for(add, ask):
    add({"train": late_split(60, seed=2), "test": late_split(40)})
    add({"test": late_split(44, seed=3)})

    assert ask("make_confusion_matrix", normalize=True).sample_count == 44
    older = ask("make_confusion_matrix", normalize=True, version_id="ver-001", dataset_split="train")
    assert (older.version_id, older.sample_count) == ("ver-001", 60)
    assert [sum(row) for row in older.result.matrix] == pytest.approx([1, 1])


def test_the_positive_label_is_the_stored_one(add, ask):
    add({"test": late_split()}, positive_label="on_time")
    assert ask("make_roc_curve", **ROC).result.class_label == "on_time"
    assert ask("make_confusion_matrix", normalize=False).result.binary.positive_label == "on_time"


def test_predictions_are_read_from_storage_once(add, ask, config):
    add({"test": late_split()})
    first = ask("make_roc_curve", **ROC)
    for file in config.data_folder.rglob("test.parquet"):
        file.unlink()
    assert ask("make_roc_curve", **ROC) == first


def test_a_drawing_names_its_version(add, ask):
    add({"test": late_split()})
    for drawn in (
        performance.draw_roc_curve(ask("make_roc_curve", **ROC), "svg"),
        performance.draw_confusion_matrix(ask("make_confusion_matrix", normalize=False), "svg"),
    ):
        assert b"ver-001" in drawn


def test_without_a_promoted_version_one_must_be_named(open_stores, model, clock, ask):
    with pytest.raises(NoVersion):
        ask("summarize")
    with open_stores() as stores:
        add_evaluated(stores, model, evaluation(clock.now, {"test": late_split()}))
    assert ask("summarize", version_id="ver-001").sample_count == 40


@pytest.mark.parametrize("version_id", ["ver-009", "ver-1", "x"])
def test_an_unknown_version_is_absent(add, ask, version_id):
    add({"test": late_split()})
    with pytest.raises(VersionNotFound):
        ask("summarize", version_id=version_id)


def test_a_split_nothing_was_stored_of_has_no_evaluation(add, ask):
    none = SplitEvaluation(np.arange(0), np.array([], dtype=str), np.array([], dtype=str), np.zeros((0, 2)))
    add({"test": late_split(), "validation": none})
    for split in ("train", "validation"):
        for verb, choices in (("summarize", {}), ("make_roc_curve", ROC)):
            with pytest.raises(NoEvaluation):
                ask(verb, dataset_split=split, **choices)


def test_versions_that_were_not_evaluated_have_no_evaluation(open_stores, runtime, model, ask):
    with open_stores() as stores:
        add_version(stores, model)
    number = add_by_client(runtime, model)
    for version_id in ("ver-001", f"ver-{number:03d}"):
        with pytest.raises(NoEvaluation):
            ask("summarize", version_id=version_id)


def test_a_client_version_does_not_borrow_the_evaluation_of_its_run(open_stores, runtime, model, add, ask):
    ours = add({"test": late_split()})
    with runtime.connection.bound("acme") as client:
        client.create_model_version(model.name, ours.source, run_id=ours.mlflow_run_id, await_creation_for=0)
    with pytest.raises(NoEvaluation):
        ask("summarize", version_id="ver-002")


def test_an_unfinished_version_has_no_evaluation(open_stores, model, add, ask):
    add({"test": late_split()})
    with open_stores() as stores:
        stores.registry.update_version(model.name, 1, status=VersionStatus.FAILED)
    with pytest.raises(NoEvaluation):
        ask("summarize")


def test_a_regression_has_scores_but_neither_matrix_nor_curve(add, ask):
    split = SplitEvaluation(np.arange(4), np.array([1.0, 2, 3, 4]), np.array([1.1, 2, 3, 4.2]))
    add({"test": split}, None, task="regression", positive_label=None, primary_metric="rmse")

    assert ask("summarize").result.metrics["test"]["rmse"] == pytest.approx(np.sqrt((0.01 + 0.04) / 4))
    with pytest.raises(NotApplicable):
        ask("make_confusion_matrix", normalize=False)
    with pytest.raises(NotApplicable):
        ask("make_roc_curve", **ROC)


def test_a_classifier_without_probabilities_has_no_curve(add, ask):
    split = late_split()
    add({"test": SplitEvaluation(split.row_index, split.y_true, split.y_pred)})
    assert ask("make_confusion_matrix", normalize=False).sample_count == 40
    with pytest.raises(NotApplicable):
        ask("make_roc_curve", **ROC)


def test_a_class_the_model_lacks_is_unknown(add, ask):
    add({"test": late_split()})
    with pytest.raises(UnknownClass):
        ask("make_roc_curve", resolution=100, class_label="lost")


def test_more_than_two_classes_are_averaged(add, ask):
    random = np.random.default_rng(5)
    labels = ("a", "b", "c")
    proba = random.dirichlet(np.ones(3), 60)
    true = np.array(labels)[np.arange(60) % 3]
    pred = np.array(labels)[proba.argmax(axis=1)]
    split = SplitEvaluation(np.arange(60), true, pred, proba)
    add({"test": split}, labels, positive_label=None)

    average = ask("make_roc_curve", **ROC).result
    assert (average.class_label, average.average) == (None, "macro")
    assert average.roc_auc == pytest.approx(roc_auc_score(true, proba, multi_class="ovr", average="macro"))
    single = ask("make_roc_curve", resolution=100, class_label="b").result
    assert single.roc_auc == pytest.approx(roc_auc_score(true == "b", proba[:, 1]))
