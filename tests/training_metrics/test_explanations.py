"""What a run settled on, and what its model goes by, over HTTP."""

import pytest

from tests.training_metrics.conftest import BASE

VALUES = "training-metrics/hyperparameters"
SHARES = "training-metrics/feature-importance"
IMPORTANCES = {
    "gain": {"weight_kg": 0.25, "distance_km": 0.75, "is_fragile": 0.0},
    "split": {"weight_kg": 0.5, "distance_km": 0.3, "is_fragile": 0.2},
}
CANDIDATES = [
    {"number": 0, "algorithm": "lightgbm", "params": {"max_depth": 3}, "score": 0.7, "state": "complete"},
    {"number": 1, "algorithm": "xgboost", "params": {"max_depth": 5}, "score": None, "state": "failed"},
    {"number": 2, "algorithm": "lightgbm", "params": {"max_depth": 7}, "score": 0.9, "state": "complete"},
    {"number": 3, "algorithm": "extra_trees", "params": {}, "score": 0.8, "state": "complete"},
    {"number": 4, "algorithm": "ensemble", "params": {"members": []}, "score": 0.95, "state": "complete"},
]
SHAP = {
    "shares": {"weight_kg": 0.2, "distance_km": 0.7, "is_fragile": 0.1},
    "by_class": {},
    "explainer": "tree",
    "output": "log_odds",
    "n_rows": 12,
    "n_background": 0,
    "reason": "",
}


def tell_trials(story, metric="roc_auc", candidates=CANDIDATES):
    for one in candidates:
        if one["algorithm"] == "ensemble":
            continue
        fields = {"best_score": 0.9, "duration_seconds": 1.0, **one}
        point = {"name": f"val_{metric}", "value": one["score"], "step": one["number"]}
        story.tell(("trial", fields), ("metric", point))


class TestSubject:
    """Which run is spoken of."""

    PATHS = (VALUES, SHARES)

    @pytest.mark.both_databases
    @pytest.mark.parametrize("path", PATHS)
    def test_it_is_the_newest_completed_run_unless_one_is_named(self, story, ask, path, database):
        story.complete(artifacts={"importances.json": IMPORTANCES, "candidates.json": CANDIDATES})
        later = story.begin_next()
        assert ask(story, path)["run_id"] == story.run_id
        tell_trials(later)
        if path == VALUES:
            assert ask(story, path, run_id=later.run_id)["run_id"] == later.run_id
        else:
            assert ask(story, path, status=422, run_id=later.run_id)["code"] == "not_applicable"
        later.complete(artifacts={"importances.json": IMPORTANCES})
        assert ask(story, path)["run_id"] == later.run_id
        assert ask(story, path, run_id=story.run_id)["run_id"] == story.run_id

    @pytest.mark.parametrize("path", PATHS)
    def test_a_version_wins_over_a_run(self, story, ask, path):
        first = story.complete(artifacts={"importances.json": IMPORTANCES})
        later = story.begin_next()
        second = later.complete(artifacts={"importances.json": IMPORTANCES})
        assert ask(story, path, version_id=first.id)["run_id"] == story.run_id
        assert ask(story, path, version_id=first.id, run_id=later.run_id)["run_id"] == story.run_id
        assert ask(story, path, version_id=second.id, run_id="run-20260101-000000")["run_id"] == later.run_id

    @pytest.mark.parametrize("path", PATHS)
    def test_what_is_not_there_is_named(self, story, start_story, ask, path):
        assert ask(story, path, status=404)["code"] == "run_not_found"  # none has completed
        story.complete()
        other = start_story(name="Other")
        for run_id in (other.run_id, "run-20260101-000000", "nonsense", "", "\0"):
            assert ask(story, path, status=404, run_id=run_id)["code"] == "run_not_found"
        for version_id in ("ver-002", "ver-1", "nonsense", "", "\0"):
            answer = ask(story, path, status=404, version_id=version_id, run_id=story.run_id)
            assert answer["code"] == "version_not_found"

    @pytest.mark.parametrize("path", PATHS)
    def test_a_version_that_no_run_made_has_no_run(self, story, ask, path, runtime):
        story.complete()
        with runtime.connection.bound("acme") as client:
            client.create_model_version("Late delivery risk", "mlflow-artifacts:/x", await_creation_for=0)
        answer = ask(story, path, status=404, version_id="ver-002")
        assert answer["code"] == "run_not_found"
        assert "ver-002" in answer["detail"]

    @pytest.mark.parametrize("path", [*PATHS, "training-metrics/logs/download"])
    def test_only_readers_of_the_model_get_an_answer(self, story, ask, client, headers, path):
        story.complete(artifacts={"importances.json": IMPORTANCES})
        assert client.get(f"{BASE}/{story.model_id}/{path}").status_code == 401
        stranger = headers(user="user-2", permissions=["dataset:read"])
        assert ask(story, path, status=403, caller=stranger)["code"] == "forbidden"
        assert ask(story, path, status=404, caller=headers(org="other"))["code"] == "model_not_found"
        reader = headers(user="user-3", permissions=["model:read"])
        assert client.get(f"{BASE}/{story.model_id}/{path}", headers=reader).status_code == 200

    @pytest.mark.parametrize("path", PATHS)
    def test_the_other_path_gives_the_same(self, story, ask, path):
        story.complete(artifacts={"importances.json": IMPORTANCES, "candidates.json": CANDIDATES})
        assert ask(story, path) == ask(story, path.replace("training-metrics", "training/metrics"))


class TestHyperparameters:
    def test_every_candidate_is_told_best_first(self, story, ask):
        tell_trials(story)
        story.complete(
            artifacts={"candidates.json": CANDIDATES},
            algorithm="ensemble",
            hyperparameters={"members": [{"weight": 1}]},
        )
        answer = ask(story, VALUES)
        candidates = answer.pop("automl_candidates")
        assert answer == {
            "model_id": story.model_id,
            "run_id": story.run_id,
            "algorithm_selected": "ensemble",
            "hyperparameters": {"members": [{"weight": 1}]},
        }
        assert [(one["algorithm"], one["score"]) for one in candidates] == [
            ("ensemble", 0.95),
            ("lightgbm", 0.9),
            ("extra_trees", 0.8),
            ("lightgbm", 0.7),
            ("xgboost", None),
        ]

    def test_each_says_what_it_costs_and_whether_another_beats_it_in_all(self, story, ask):
        found = [  # score, latency and size, and whether none is as good in all and better in one
            (0.95, 9.0, 50.0, True),
            (0.95, 9.0, 60.0, False),
            (0.9, 2.0, 4.0, True),
            (0.85, 3.0, 3.0, True),
            (0.85, 3.0, 3.0, True),
            (0.8, 3.0, 4.0, False),
            (0.7, None, 1.0, None),
        ]
        candidates = [
            {"number": number, "algorithm": "lightgbm", "params": {}, "score": score, "state": "complete",
             "latency_ms": latency, "size_mb": size, "reason": None}
            for number, (score, latency, size, _) in enumerate(found)
        ]  # fmt: skip
        barred = {**candidates[0], "number": 7, "score": 0.99, "size_mb": 0.1, "reason": "50 MB, 10 are allowed"}
        tell_trials(story)
        story.complete(artifacts={"candidates.json": [*candidates, barred]})
        told = {one["number"]: one for one in ask(story, VALUES)["automl_candidates"]}
        assert [told[number]["is_pareto_optimal"] for number in range(8)] == [*(each[3] for each in found), None]
        assert told[7]["reason"] == barred["reason"]
        assert (told[2]["latency_ms"], told[2]["size_mb"], told[2]["state"]) == (2.0, 4.0, "complete")

    @pytest.mark.parametrize(("metric", "best"), [("roc_auc", 0.9), ("log_loss", 0.7), ("rmse", 0.7), ("r2", 0.9)])
    def test_best_depends_on_the_metric(self, story, ask, metric, best):
        tell_trials(story, metric)
        found = ask(story, VALUES, run_id=story.run_id)["automl_candidates"]
        assert found[0]["score"] == best
        assert found[-1]["score"] is None
        assert len(found) == 4

    def test_a_run_that_goes_on_tells_of_the_best_so_far(self, story, ask):
        answer = ask(story, VALUES, run_id=story.run_id)
        assert (answer["algorithm_selected"], answer["automl_candidates"]) == ("auto", [])
        tell_trials(story)
        answer = ask(story, VALUES, run_id=story.run_id)
        assert (answer["algorithm_selected"], answer["hyperparameters"]) == ("lightgbm", {"max_depth": 7})

    def test_a_trial_told_again_after_a_crash_counts_once(self, story, ask):
        tell_trials(story)
        tell_trials(story)
        assert len(ask(story, VALUES, run_id=story.run_id)["automl_candidates"]) == 4

    def test_a_single_algorithm_has_no_candidates(self, start_story, ask):
        story = start_story(config={"target_column": "late", "algorithm": "lightgbm"})
        tell_trials(story, candidates=CANDIDATES[:1])
        story.complete(artifacts={"candidates.json": CANDIDATES[:1]}, hyperparameters={"max_depth": 3})
        answer = ask(story, VALUES)
        assert answer["automl_candidates"] == []
        assert (answer["algorithm_selected"], answer["hyperparameters"]) == ("lightgbm", {"max_depth": 3})

    def test_a_version_deleted_since_leaves_what_its_run_found(self, story, ask, client, headers):
        tell_trials(story)
        made = story.complete(artifacts={"candidates.json": CANDIDATES})
        url = f"{BASE}/{story.model_id}/versions/{made.id}"
        assert client.delete(url, headers=headers()).status_code == 204
        answer = ask(story, VALUES)
        assert answer["algorithm_selected"] == "ensemble"
        assert len(answer["automl_candidates"]) == 5


class TestImportance:
    def test_columns_come_by_their_share(self, story, ask):
        story.complete(artifacts={"importances.json": IMPORTANCES})
        assert ask(story, SHARES) == {
            "model_id": story.model_id,
            "run_id": story.run_id,
            "method": "gain",
            "features": [
                {"feature": "distance_km", "importance": 0.75, "rank": 1},
                {"feature": "weight_kg", "importance": 0.25, "rank": 2},
                {"feature": "is_fragile", "importance": 0.0, "rank": 3},
            ],
        }
        assert ask(story, SHARES, method="split")["features"][0]["feature"] == "weight_kg"

    def test_the_first_are_given_with_their_shares_of_all(self, story, ask):
        shares = {f"column {number}": 1 / 1200 for number in range(1200)}
        story.complete(artifacts={"importances.json": {"gain": shares}})
        for top_n in (1, 2, 1000):
            found = ask(story, SHARES, top_n=top_n)["features"]
            assert [one["rank"] for one in found] == list(range(1, top_n + 1))
            assert {one["importance"] for one in found} == {1 / 1200}
        assert len(ask(story, SHARES)["features"]) == 1200

    @pytest.mark.parametrize(
        ("name", "value"),
        [("top_n", 0), ("top_n", -1), ("top_n", 1001), ("top_n", "few"), ("method", "magic"), ("method", "")],
    )
    def test_a_wrong_parameter_is_refused(self, story, ask, name, value):
        story.complete(artifacts={"importances.json": IMPORTANCES})
        answer = ask(story, SHARES, status=422, **{name: value})
        assert answer["code"] == "validation_failed"
        assert [fault["pointer"] for fault in answer["errors"]] == [name]

    @pytest.mark.parametrize("artifacts", [{}, {"importances.json": {}}, {"importances.json": {"split": {"a": 1.0}}}])
    def test_an_algorithm_without_them_has_none(self, story, ask, artifacts):
        story.complete(artifacts=artifacts)
        assert ask(story, SHARES, status=422)["code"] == "not_applicable"

    @pytest.mark.parametrize("method", ["gain", "split", "shap"])
    def test_a_run_without_a_model_has_none(self, story, ask, method):
        story.end()
        story.change(status="cancelled")
        answer = ask(story, SHARES, status=422, run_id=story.run_id, method=method)
        assert answer["code"] == "not_applicable"


class TestShap:
    def test_it_comes_with_how_it_was_found(self, story, ask):
        importances = {**IMPORTANCES, "shap": SHAP["shares"]}
        story.complete(artifacts={"importances.json": importances, "shap.json": SHAP})
        answer = ask(story, SHARES, method="shap", top_n=2)
        assert answer["explained"] == {"explainer": "tree", "output": "log_odds", "rows": 12, "background_rows": 0}
        assert answer["features"] == [
            {"feature": "distance_km", "importance": 0.7, "rank": 1},
            {"feature": "weight_kg", "importance": 0.2, "rank": 2},
        ]
        assert "explained" not in ask(story, SHARES)

    def test_each_of_several_classes_has_its_own_share(self, story, ask):
        by_class = {'ü "x" 😀': {"a": 0.6, "b": 0.4}, "y": {"a": 0.1, "b": 0.9}}
        shares = {"a": 0.35, "b": 0.65}
        found = {**SHAP, "shares": shares, "by_class": by_class, "explainer": "permutation", "output": "probability"}
        story.complete(artifacts={"importances.json": {"shap": shares}, "shap.json": found})
        features = ask(story, SHARES, method="shap")["features"]
        assert [one["feature"] for one in features] == ["b", "a"]
        assert features[0]["by_class"] == {'ü "x" 😀': 0.4, "y": 0.9}

    def test_not_asked_for_it_says_what_to_do(self, story, ask):
        story.complete(artifacts={"importances.json": IMPORTANCES})
        answer = ask(story, SHARES, status=422, method="shap")
        assert answer["code"] == "shap_not_computed"
        assert "compute_shap" in answer["detail"]
        assert [fault["pointer"] for fault in answer["errors"]] == ["method"]

    def test_asked_for_in_vain_it_says_why(self, start_story, ask):
        story = start_story(config={"target_column": "late", "compute_shap": True})
        empty = {**SHAP, "shares": {}, "reason": "no time was left for it"}
        story.complete(artifacts={"importances.json": {**IMPORTANCES, "shap": {}}, "shap.json": empty})
        answer = ask(story, SHARES, status=422, method="shap")
        assert answer["code"] == "shap_not_computed"
        assert "no time was left for it" in answer["detail"]
