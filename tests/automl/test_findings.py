"""What a search tells of its rows before it learns."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from studio.automl import findings
from studio.automl.plan import Plan, Validation
from studio.automl.problem import prepare_problem

PLAN = Plan(
    task="classification", target="y",
    column_types={"a": "number", "b": "category", "t": "text", "who": "number", "y": "category"},
)  # fmt: skip


def table(n=200):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": np.where(np.arange(n) % 5 == 0, np.nan, rng.normal(size=n)),
            "b": rng.choice([*"pqr", None], n),
            "t": [f"words about {i}" for i in range(n)],
            "y": rng.choice(["no", "yes"], n),
            "who": np.arange(n),
        }
    )


def twins_of(frame, plan=PLAN):
    return [text for _, text in prepare_problem(frame, plan).notes if "the same as a training row" in text]


def test_rows_on_both_sides_are_told():
    frame = table().drop(columns="who")
    assert twins_of(frame) == []
    [told] = twins_of(pd.concat([frame, frame], ignore_index=True))
    assert "of the test rows and" in told
    assert "of the validation rows are" in told


@pytest.mark.parametrize("column", ["a", "b", "t", "y"])
def test_rows_that_differ_in_one_column_are_no_twins(column):
    frame = table().drop(columns="who")
    others = {"a": frame.index + 10.0, "b": "other", "t": frame["t"] + " else", "y": frame["y"] + "?"}
    other = frame.assign(**{column: others[column]})
    both = pd.concat([frame, other], ignore_index=True)
    assert twins_of(both) == []


def test_groups_keep_twins_together():
    frame = table()
    plan = dataclasses.replace(PLAN, validation=Validation(split="group", group_column="who"))
    assert twins_of(pd.concat([frame, frame], ignore_index=True), plan) == []


def test_large_tables_are_looked_at_in_part(monkeypatch):
    monkeypatch.setattr(findings, "MOST_CELLS", 2000)
    frame = table(2000).drop(columns="who")
    [told] = twins_of(pd.concat([frame, frame], ignore_index=True))
    share = float(told.split("%")[0])
    assert 40 <= share <= 80
    assert twins_of(frame) == []


def test_targets_beyond_what_is_computed_with_are_told():
    frame = table().assign(y=np.where(np.arange(200) % 50, np.arange(200.0), 1e308)).drop(columns="who")
    plan = dataclasses.replace(PLAN, task="regression", column_types={**PLAN.column_types, "y": "number"})
    notes = [text for _, text in prepare_problem(frame, plan).notes]
    assert "4 targets beyond 1e+30 are taken to be 1e+30: divide the target first" in notes
