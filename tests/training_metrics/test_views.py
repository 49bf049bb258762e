"""Curves, logs, details and tickets over HTTP."""

from itertools import pairwise

import pytest

from studio.audit.tables import AuditRow
from studio.models.tables import ModelRow
from studio.training_metrics.service.figures import thin_out
from tests.training_metrics.conftest import BASE

PATHS = ("training-metrics", "training-metrics/logs", "training-metrics/details")


def trial(number, score, best):
    """The messages of one trial."""
    return [
        ("trial", {"number": number, "algorithm": "lightgbm", "score": score, "best_score": best, "state": "complete"}),
        ("metric", {"name": "val_roc_auc", "value": score, "step": number}),
        ("metric", {"name": "best_val_roc_auc", "value": best, "step": number}),
    ]


@pytest.mark.both_databases
def test_curves_have_a_value_per_trial(story, ask, database):
    assert ask(story) == {
        "model_id": story.model_id,
        "run_id": story.run_id,
        "status": "queued",
        "metrics": {},
        "epochs_completed": 0,
        "total_epochs": 0,
    }
    story.tell(*trial(0, 0.5, 0.5), *trial(1, None, 0.5), *trial(2, 0.75, 0.75))
    answer = ask(story)
    assert answer["metrics"] == {"val_roc_auc": [0.5, None, 0.75], "best_val_roc_auc": [0.5, 0.5, 0.75]}
    assert (answer["epochs_completed"], answer["total_epochs"]) == (3, 3)
    assert ask(story, metric="val_roc_auc")["metrics"] == {"val_roc_auc": [0.5, None, 0.75]}


def test_the_number_of_trials_wanted_is_the_total(story, ask):
    story.change(config={"search": {"max_trials": 30}})
    story.tell(*trial(0, 0.5, 0.5))
    assert ask(story)["total_epochs"] == 30
    story.change(kind="custom")
    assert ask(story)["total_epochs"] == 1


def test_a_trial_told_twice_counts_once_with_its_last_value(story, ask):
    story.tell(*trial(0, 0.5, 0.5), *trial(1, 0.6, 0.6), *trial(1, 0.7, 0.7))
    answer = ask(story)
    assert answer["metrics"]["val_roc_auc"] == [0.5, 0.7]
    assert answer["epochs_completed"] == 2


def test_a_custom_run_counts_steps(story, ask):
    story.change(kind="custom")
    story.tell(*(("metric", {"name": name, "value": 1.5, "step": step}) for step in (1, 2, 3) for name in ("a", "b")))
    assert ask(story)["epochs_completed"] == 3


def test_long_curves_are_thinned_out_between_first_and_last(story, ask):
    story.tell(*(("metric", {"name": "loss", "value": float(step), "step": step}) for step in range(1000)))
    assert len(ask(story)["metrics"]["loss"]) == 50
    assert ask(story, resolution=4)["metrics"]["loss"] == [0.0, 333.0, 666.0, 999.0]
    assert ask(story, resolution=2)["metrics"]["loss"] == [0.0, 999.0]
    assert len(ask(story, resolution=1000)["metrics"]["loss"]) == 1000


@pytest.mark.parametrize("length", [2, 49, 50, 51, 99, 1234])
@pytest.mark.parametrize("resolution", [2, 3, 50, 1000])
def test_thinning_out_keeps_order_ends_and_even_intervals(length, resolution):
    kept = thin_out(list(range(length)), resolution)
    assert len(kept) == min(length, resolution)
    assert (kept[0], kept[-1]) == (0, length - 1)
    steps = [after - before for before, after in pairwise(kept)]
    assert min(steps) >= 1
    assert max(steps) - min(steps) <= 1


def test_an_unknown_metric_is_refused(story, ask):
    story.tell(*trial(0, 0.5, 0.5))
    assert ask(story, status=422, metric="val_nothing")["code"] == "unknown_metric"


@pytest.mark.parametrize("resolution", [0, 1, 1001, "many"])
def test_a_resolution_out_of_bounds_is_refused(story, ask, resolution):
    answer = ask(story, status=422, resolution=resolution)
    assert [fault["pointer"] for fault in answer["errors"]] == ["resolution"]


@pytest.mark.both_databases
def test_the_log_is_given_by_level_and_place(story, ask, database):
    for number in range(3):
        for level in ("debug", "info", "warning", "error"):
            story.log(f"[Training] {level} {number}", level=level)
        story.tell(("progress", {"progress": 0.1 * number}))

    def lines(**query):
        answer = ask(story, "training-metrics/logs", **query)
        return answer["total_lines"], [line["line"] for line in answer["lines"]]

    assert lines() == (9, [2, 3, 4, 6, 7, 8, 10, 11, 12])
    assert lines(level="debug") == (12, list(range(1, 13)))
    assert lines(level="error") == (3, [4, 8, 12])
    assert lines(limit=2, offset=3) == (9, [6, 7])
    assert lines(limit=2, offset=3, tail="true") == (9, [11, 12])
    assert lines(offset=100) == (9, [])
    one = ask(story, "training-metrics/logs", limit=1)["lines"][0]
    assert one["timestamp"].endswith("Z")
    assert (one["level"], one["message"]) == ("info", "[Training] info 0")


@pytest.mark.parametrize(
    ("name", "value"), [("level", "fatal"), ("limit", 0), ("limit", 5001), ("offset", -1), ("tail", "perhaps")]
)
def test_a_wrong_parameter_of_the_log_is_refused(story, ask, name, value):
    answer = ask(story, "training-metrics/logs", status=422, **{name: value})
    assert [fault["pointer"] for fault in answer["errors"]] == [name]


def test_details_name_every_stage(story, ask):
    nothing = dict.fromkeys(("data_validation", "preprocessing", "algorithm_search", "evaluation", "artifact_upload"))
    answer = ask(story, "training-metrics/details")
    assert answer["pipeline_stages"] == nothing
    assert answer["resource_usage"] == {"peak_cpu_percent": None, "peak_memory_mb": None, "worker_type": None}
    assert [answer[name] for name in ("started_at", "duration_seconds", "final_algorithm", "version_created")] == [
        None
    ] * 4
    assert answer["dataset_rows_used"] == 60
    story.change(
        stage_seconds={"data_validation": 3.0, "preprocessing": 9.5},
        peak_cpu_percent=71.5,
        peak_memory_mb=900.0,
        worker_type="cpu-4x",
        algorithm="lightgbm",
        version_number=4,
    )
    answer = ask(story, "training-metrics/details")
    assert answer["pipeline_stages"] == nothing | {"data_validation": 3.0, "preprocessing": 9.5}
    assert answer["resource_usage"] == {"peak_cpu_percent": 71.5, "peak_memory_mb": 900.0, "worker_type": "cpu-4x"}
    assert (answer["final_algorithm"], answer["version_created"]) == ("lightgbm", "ver-004")


@pytest.mark.parametrize("path", PATHS)
def test_the_other_path_gives_the_same(story, ask, path):
    story.log("[Training] fold 1 of 5")
    story.tell(*trial(0, 0.5, 0.5))
    assert ask(story, path) == ask(story, path.replace("training-metrics", "training/metrics"))


@pytest.mark.both_databases
@pytest.mark.parametrize("path", PATHS)
def test_the_newest_run_is_read_unless_one_is_named(story, start_story, ask, path, database):
    second = story.begin_another()
    other = start_story(name="Other")
    assert ask(story, path)["run_id"] == second.run_id
    assert ask(story, path, run_id=story.run_id)["run_id"] == story.run_id
    for run_id in (other.run_id, "run-20260101-000000", "nonsense", "", "\0"):
        assert ask(story, path, status=404, run_id=run_id)["code"] == "run_not_found"


@pytest.mark.parametrize("path", PATHS)
def test_a_model_without_a_run_has_nothing_to_read(story, ask, path, client, headers):
    body = {"name": "Untrained", "model_type": "auto", "task_type": "classification"}
    model_id = client.post(BASE, headers=headers(), json=body).json["id"]
    assert client.get(f"{BASE}/{model_id}/{path}", headers=headers()).json["code"] == "run_not_found"


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_read_the_model_reads_nothing_of_its_runs(story, ask, path, headers, client):
    assert client.get(f"{BASE}/{story.model_id}/{path}").status_code == 401
    stranger = headers(user="user-2", permissions=["dataset:read"])
    assert ask(story, path, status=403, caller=stranger)["code"] == "forbidden"
    assert ask(story, path, status=404, caller=headers(org="other"))["code"] == "model_not_found"


class TestTickets:
    @pytest.fixture
    def create(self, client, headers):
        def post(status=201, caller=None, **body):
            answer = client.post(f"{BASE}/stream-tickets", headers=caller or headers(), json=body)
            assert answer.status_code == status, answer.text
            return answer

        return post

    def test_a_ticket_names_its_socket(self, story, create, open_stores):
        create()  # a caller's first call is told of: it makes a member
        with open_stores(write=False) as stores:
            before = stores.db.query(AuditRow).count()
        answer = create(model_id=story.model_id, run_id=story.run_id)
        path = f"{BASE}/{story.model_id}/training-metrics/stream"
        assert answer.headers["Location"] == answer.json["url"] == path
        assert answer.json["expires_in"] == 30
        assert answer.json["ticket"].startswith("stk_")
        with open_stores(write=False) as stores:
            assert stores.db.query(AuditRow).count() == before

    def test_without_a_model_it_is_for_the_legacy_socket(self, create, headers):
        answer = create(caller=headers(user="user-2", permissions=[]))
        assert answer.headers["Location"] == answer.json["url"] == "/api/model-studio/ws/train-from-parquet"

    def test_nobody_gets_one_for_what_he_may_not_read(self, story, create, headers, client):
        assert client.post(f"{BASE}/stream-tickets", json={}).status_code == 401
        given = {"model_id": story.model_id}
        stranger = headers(user="user-2", permissions=["dataset:read"])
        assert create(403, stranger, **given).json["code"] == "forbidden"
        assert create(404, headers(org="other"), **given).json["code"] == "model_not_found"
        assert create(404, model_id="mdl-\0").json["code"] == "model_not_found"
        with story.open_stores() as stores:
            stores.db.get(ModelRow, story.model_id).visibility = "private"
        reader = headers(user="user-2", permissions=["model:read"])
        assert create(404, reader, **given).json["code"] == "model_not_found"

    def test_a_run_must_be_the_model_s(self, story, start_story, create):
        other = start_story(name="Other")
        assert create(404, model_id=story.model_id, run_id=other.run_id).json["code"] == "run_not_found"
        assert create(422, run_id=story.run_id).json["errors"][0]["pointer"] == "/model_id"
        assert create(422, model=story.model_id).json["errors"][0]["message"] == "unknown field"
