"""The end of a search: what is evaluated, on how many cores, and with how many members."""

import time

import numpy as np
import pandas as pd
import pytest

from studio.automl import assembly
from studio.automl.assembly import blend_rows
from studio.automl.campaign import Campaign
from studio.automl.estimators import find_families
from studio.automl.fitting import Configuration, Fitter
from studio.automl.member_files import MemberFile, read_members
from studio.automl.pipeline import build_pipeline
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem
from studio.automl.result import TrialState
from studio.automl.schedule import Schedule
from studio.automl.tasks import outputs_path
from studio.automl.trials import PastTrial, Started, TrialFacts
from studio.automl.weighing import fit_into_time

TYPES = {"a": "number", "b": "number", "kind": "category", "y": "category"}


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600), "kind": rng.choice(["x", "z"], 600)})
    frame["y"] = np.where(frame["a"] + rng.normal(size=600) > 0, "yes", "no")
    plan = Plan(task="classification", target="y", column_types=TYPES, budget_s=60.0)
    return prepare_problem(frame, plan)


def test_rows_that_cores_share_have_the_outputs_of_one_core(problem, monkeypatch):
    monkeypatch.setattr(assembly, "SHARED_ROWS", 10)
    families = [family for family in find_families("auto", "classification") if not family.is_baseline]
    rows = problem.split.development
    fitter = Fitter(problem, 1)
    configurations = [Configuration(family, family.default("classification")) for family in families]
    members = [fitter.fit_rows(short(configuration), rows, None) for configuration in configurations]
    pipeline = build_pipeline(problem.reader, members, [1 / len(members)] * len(members), problem.classes)
    model = pipeline.named_steps["model"]
    alone, shared = (blend_rows(problem, model, problem.split.test, threads) for threads in (1, 3))
    np.testing.assert_allclose(shared, alone, rtol=1e-12)


def short(configuration):
    few = {name: 5 for name in ("n_estimators", "max_iter") if name in configuration.params}
    return Configuration(configuration.family, {**configuration.params, **few})


@pytest.mark.parametrize(("left_s", "kept"), [(100.0, {0, 1, 2}), (20.0, {0, 1}), (-1.0, {0})])
def test_a_blend_has_the_weightiest_members_that_can_be_evaluated_in_time(problem, tmp_path, left_s, kept):
    families = find_families("extra_trees", "classification")
    schedule = Schedule(families, problem.plan, problem.metric)
    campaign = Campaign(problem, families, schedule, None, None, tmp_path, time.monotonic() + left_s)
    rng = np.random.default_rng(0)
    for number in range(3):
        facts = TrialFacts(predict_s=10.0)
        started = Started(number, "extra_trees", "sampler", {})
        campaign.trials[number] = PastTrial(started, TrialState.COMPLETE, 0.7, facts)
        yes = rng.random(len(problem.scored))
        np.save(outputs_path(tmp_path, number), np.column_stack([1 - yes, yes]))
    weights, score = fit_into_time(campaign, {0: 0.5, 1: 0.3, 2: 0.2}, 0.7)
    assert set(weights) == kept
    assert sum(weights.values()) == pytest.approx(1.0)
    assert (score == 0.7) == (len(kept) == 3)


def test_members_are_there_once_they_are_kept(tmp_path):
    path, members = tmp_path / "models-1.pkl", ["first", "second"]
    with MemberFile(path) as models:
        models.add(members[0])
    assert not list(tmp_path.iterdir())
    with MemberFile(path) as models:
        for member in members:
            models.add(member)
        models.keep()
    assert list(tmp_path.iterdir()) == [path]
    assert list(read_members(path)) == members
