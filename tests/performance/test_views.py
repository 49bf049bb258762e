import pytest

from studio.versions import service as versions
from tests.factories import make_model
from tests.performance.factories import add_evaluated, evaluation, late_split


@pytest.fixture
def path(open_stores, clock):
    """Of the performance of a model with an evaluated, promoted version."""
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_evaluated(stores, model, evaluation(clock.now, {"test": late_split()}))
    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")
    return f"/api/v1/models/{model.id}/performance"


@pytest.fixture
def get(client, headers, path):
    return lambda rest, accept="*/*": client.get(f"{path}/{rest}", headers={**headers(), "Accept": accept})


COMMON = {"version_id": "ver-001", "dataset_split": "test", "sample_count": 40}


def test_the_summary_holds_the_scores_of_the_split(get, clock):
    got = get("summary").json
    assert {name: got[name] for name in COMMON} == COMMON
    assert (got["task_type"], got["primary_metric"]) == ("classification", "roc_auc")
    assert set(got["metrics"]) >= {"accuracy", "log_loss", "roc_auc"}
    low, high = got["confidence_intervals"]["accuracy"]
    assert low <= got["metrics"]["accuracy"] <= high
    assert got["computed_at"] == clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_matrix_counts_in_whole_numbers(get):
    got = get("confusion-matrix").json
    assert {name: got[name] for name in COMMON} == COMMON
    assert (got["labels"], got["normalize"]) == (["late", "on_time"], False)
    assert all(type(cell) is int for row in got["matrix"] for cell in row)
    assert sum(map(sum, got["matrix"])) == 40
    binary = got["binary"]
    assert [
        [binary["true_positive"], binary["false_negative"]],
        [binary["false_positive"], binary["true_negative"]],
    ] == (got["matrix"])
    shares = get("confusion-matrix?normalize=true").json
    assert [sum(row) for row in shares["matrix"]] == pytest.approx([1, 1])
    assert shares["binary"] == binary


def test_the_curve_goes_from_corner_to_corner(get):
    got = get("roc-curve?resolution=5").json
    assert {name: got[name] for name in COMMON} == COMMON
    assert (got["class_label"], got["average"]) == ("late", None)
    assert 2 <= len(got["points"]) <= 5
    assert got["points"][0] == {"threshold": None, "fpr": 0, "tpr": 0}
    assert (got["points"][-1]["fpr"], got["points"][-1]["tpr"]) == (1, 1)
    assert get("roc-curve?class_label=on_time").json["class_label"] == "on_time"


@pytest.mark.parametrize("what", ["confusion-matrix?normalize=true", "roc-curve?class_label=on_time"])
@pytest.mark.parametrize(("accept", "start"), [("image/svg+xml", b"<?xml"), ("image/png", b"\x89PNG")])
def test_matrices_and_curves_are_drawn(get, what, accept, start):
    answer = get(what, accept)
    assert (answer.status_code, answer.mimetype) == (200, accept)
    assert answer.data.startswith(start)


def test_a_drawing_is_refused_as_its_numbers_are(get):
    answer = get("roc-curve?class_label=lost", "image/png")
    assert (answer.status_code, answer.json["code"]) == (422, "unknown_class")
    assert get("summary", "image/png").status_code == 406


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("summary?dataset_split=train", 409, "no_evaluation"),
        ("summary?dataset_split=holdout", 422, "validation_failed"),
        ("summary?version_id=ver-009", 404, "version_not_found"),
        ("roc-curve?resolution=1", 422, "validation_failed"),
        ("roc-curve?resolution=501", 422, "validation_failed"),
        ("confusion-matrix?normalize=maybe", 422, "validation_failed"),
    ],
)
def test_what_cannot_be_answered_is_refused(get, query, status, code):
    answer = get(query)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_who_may_look(client, headers, path):
    viewer = headers(user="user-2", role="organization:viewer")
    writer = headers(user="user-3", permissions=["model:write"])
    for what in ("summary", "confusion-matrix", "roc-curve"):
        assert client.get(f"{path}/{what}").status_code == 401
        assert client.get(f"{path}/{what}", headers=headers(org="other")).json["code"] == "model_not_found"
        assert client.get(f"{path}/{what}", headers=writer).json["code"] == "forbidden"
        assert client.get(f"{path}/{what}", headers=viewer).status_code == 200
