"""The ONNX file of a run: made in time or not at all, equal to the model or refused, and never the run's end."""

import hashlib
import os
import time
from functools import partial

import numpy as np
import onnxruntime
import psutil
import pytest

from studio.automl.plan import Plan
from studio.automl.search import search
from studio.domain.actors import system_actor
from studio.domain.versions import FileFormat, OnnxCheck
from studio.training import service
from studio.training.jobs import train_run
from studio.training.jobs.onnx_export import OnnxExport, reserve_s
from studio.training.service.queue import claim_run
from studio.versions import service as versions
from tests.automl.conftest import Recorder
from tests.factories import make_dataset, make_model, parcels
from tests.plugins import installed_family

TYPES = {"distance_km": "number", "weight_kg": "number", "carrier": "category", "is_fragile": "boolean"}


@pytest.fixture(scope="module", autouse=True)
def mean_family(tmp_path_factory):
    with installed_family(tmp_path_factory.mktemp("plugin"), "mean", "tests.exports.mean_family:MeanFamily"):
        yield


@pytest.fixture
def logged():
    return []


@pytest.fixture
def export(tmp_path, logged):
    """Searches, and exports what was found."""

    def run(algorithm, *, lasts_s=60.0, memory_cap_mb=100_000.0, target="delay_h", **hyperparameters):
        frame, task = parcels(300), "regression" if target == "delay_h" else "classification"
        types = {**TYPES, target: "number" if target == "delay_h" else "category"}
        plan = Plan(
            task, target, types, features=tuple(TYPES), algorithm=algorithm, hyperparameters=hyperparameters,
            max_trials=1, budget_s=None, ensemble=False,
        )  # fmt: skip
        (tmp_path / "search").mkdir()
        result = search(frame, plan, observer=Recorder(), work_folder=tmp_path / "search")
        path, deadline = tmp_path / "model.onnx", time.monotonic() + lasts_s
        under_way = OnnxExport(result, frame, path, deadline=deadline, memory_cap_mb=memory_cap_mb)
        return under_way.result(lambda *line: logged.append(line)), path

    return run


def rss_mb():
    return psutil.Process(os.getpid()).memory_info().rss / 2**20


def test_a_file_that_passes_says_so_itself(export, logged):
    check, path = export("lightgbm", target="late")
    assert (check.passed, check.reason, check.tolerance) == (True, None, 1e-5)
    assert 0 <= check.max_difference < 1e-12
    assert check.rows > 40
    facts = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert float(facts["max_difference"]) == pytest.approx(check.max_difference, rel=1e-5)
    assert facts["compared_rows"] == str(check.rows)
    [(level, line)] = logged
    assert level == "info"
    assert line.startswith("[Pipeline] ONNX file of ")
    assert line.endswith(f" over {check.rows} validation rows")


def test_a_plugin_s_family_brings_its_own_form(export):
    check, path = export("mean", how="right")
    assert check.passed
    assert path.exists()


def test_a_form_that_answers_otherwise_is_refused_with_its_difference(export, logged):
    check, path = export("mean", how="wrong")
    assert not check.passed
    assert not path.exists()
    assert check.max_difference == pytest.approx(0.01 * check.tolerance / 1e-5, rel=0.1)
    assert check.reason.startswith(f"its outputs differ by up to {check.max_difference:.3g} from the model's own")
    assert logged == [("warning", f"[Pipeline] no ONNX file: {check.reason}")]


@pytest.mark.parametrize(
    ("how", "limits", "reason"),
    [
        ("nothing", {}, "it cannot be converted: MeanModel"),
        ("raises", {}, "it could not be converted: KeyError: 'no such node'"),
        ("dies", {}, "it could not be converted: its process was ended by SIGKILL"),
        ("hangs", {"lasts_s": 2.0}, "it could not be converted: it took longer than the time that was left"),
        ("right", {"lasts_s": -1.0}, "it could not be converted: it took longer than the time that was left"),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_more(how, limits, reason, export, logged):
    check, path = export("mean", how=how, **limits)
    assert check == OnnxCheck(False, reason, None, None, None)
    assert not path.exists()
    assert logged == [("warning", f"[Pipeline] no ONNX file: {reason}")]


def test_memory_ends_where_the_run_s_does(export):
    check, _ = export("mean", how="eats", memory_cap_mb=rss_mb() + 300)
    assert "it needed more memory than the" in check.reason


@pytest.mark.parametrize(
    ("budget_s", "kept_s"),
    [(1, 0.25), (8, 2.0), (12, 3.0), (30, 3.0), (60, 6.0), (300, 30.0), (600, 60.0), (86400, 60.0)],
)
def test_a_share_of_the_budget_is_kept(budget_s, kept_s):
    assert reserve_s(budget_s) == pytest.approx(kept_s)


@pytest.fixture
def train(open_stores, runtime, config, clock, tmp_path):
    """Trains a model to its end, as the run's process does; gives what is known of the version."""

    def run(export_onnx):
        plan = {"target_column": "late", "feature_columns": list(TYPES), "algorithm": "lightgbm"}
        plan |= {"export_onnx": export_onnx}
        plan["search"] = {"max_trials": 1, "time_budget_seconds": None}
        with open_stores() as stores:
            model = make_model(stores, dataset=make_dataset(stores, parcels(300)), config=plan)
            started = service.start_run(stores, model.id)
        with runtime.database.transaction(write=True) as db:
            claim_run(db, "worker", now=clock())
        open_run = partial(runtime.open_stores, system_actor("acme"))
        train_run(open_run, config.without_secrets(), started.run_id, tmp_path / "work")
        with open_stores(write=False) as stores:
            events = service.read_events(stores.db, started.run_id, after=0)
            lines = [event.payload["message"] for event in events if "message" in event.payload]
            return model, versions.get_version(stores, model.id, "ver-001"), lines

    return run


@pytest.mark.slow
def test_a_version_keeps_its_file_and_what_was_compared(train, open_stores):
    model, record, lines = train(True)
    assert record.version.onnx == record.artifacts.onnx_check
    assert record.artifacts.onnx_check.passed
    assert record.artifacts.onnx_file.endswith(f"{model.id}/v1/model.onnx")
    assert [line for line in lines if "ONNX file of" in line]
    with open_stores(write=False) as stores:
        file = versions.list_files(stores, model.id, 1)[FileFormat.ONNX]
        content = stores.files.open(file.key).read()
    assert hashlib.sha256(content).hexdigest() == file.sha256
    session = onnxruntime.InferenceSession(content)
    row = {name: np.array([[3.0]]) for name in ("distance_km", "weight_kg")}
    row |= {"carrier": np.array([["Ansa"]], dtype=object), "is_fragile": np.array([[np.nan]])}
    assert session.run(["prediction"], row)[0].tolist() in (["late"], ["on_time"])


@pytest.mark.slow
def test_a_version_whose_run_was_not_asked_has_none(train):
    _, record, lines = train(False)
    assert record.artifacts.onnx_check is None
    assert record.artifacts.onnx_file is None
    assert not [line for line in lines if "ONNX" in line]
