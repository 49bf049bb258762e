"""Trainings started over the socket: what the client hears, what is there afterwards, and what a refusal leaves."""

import base64
import json
import threading

import pandas as pd
import pytest
from sqlalchemy import select

from studio.audit.tables import AuditRow
from studio.collaborators import service as collaborators
from studio.datasets.tables import DatasetRow
from studio.domain.permissions import Role
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.organizations import service as organizations
from studio.training import service as training
from studio.training.tables import RunRow
from studio.web.sockets import Pace
from tests.factories import csv_of, make_dataset, make_model, parcels
from tests.legacy.conftest import parquet_of, start_message
from tests.training_metrics.conftest import Story

FIVE = ["dataset.created", "model.created", "model.dataset_linked", "model.config_updated", "model.training_started"]
WRITER = ["model:read", "model:write", "dataset:write"]


def actions_in(open_stores):
    """What the organization's audit log says was done, but for callers becoming members."""
    with open_stores() as stores:
        rows = stores.db.scalars(select(AuditRow).order_by(AuditRow.number))
        return [row.action for row in rows if row.action != "organization.member_added"]


def is_untouched(open_stores, config):
    """Whether there is no dataset, no model, no run and no file of any."""
    with open_stores() as stores:
        rows = [row for table in (DatasetRow, ModelRow, RunRow) for row in stores.db.scalars(select(table))]
        kept = stores.files.list_keys("datasets")
        registered = stores.registry.list_entries()
    uploads = config.data_folder / "uploads"
    return not rows and not kept and not registered and not (uploads.exists() and list(uploads.iterdir()))


@pytest.mark.both_databases
def test_a_training_is_started_and_told_live(connect, open_stores, database):
    with connect() as client:
        client.say(task_name="Late orders", model_type="lightgbm", test_size=0.25)
        accepted = client.take(1)[0]
        assert list(accepted) == ["type", "model_id", "run_id"]
        assert accepted["type"] == "accepted"
        state = client.take(1)[0]
        assert (state["seq"], state["type"], state["status"]) == (1, "state", "queued")
        assert state["run_id"] == accepted["run_id"]
        story = Story(open_stores, accepted["model_id"], accepted["run_id"])
        story.log("going on")
        assert client.take(1)[0]["seq"] == 2
        story.end("completed", version_id="ver-001", metrics={}, algorithm="lightgbm")
        messages, code, _ = client.rest()
        assert [message["type"] for message in messages] == ["completed"]
        assert code == 1000
    with open_stores() as stores:
        model = models.get_model(stores, accepted["model_id"])
        assert (model.name, model.model_type, model.task_type) == ("Late orders", "auto", "classification")
        assert (model.config["algorithm"], model.config["target_column"]) == ("lightgbm", "late")
        assert model.config["validation"]["test_size"] == 0.25
        assert model.dataset.dataset_name == "Late orders"
        assert model.dataset.columns
        run = training.get_run(stores, accepted["model_id"], accepted["run_id"])
        assert (run.trigger, run.status) == ("legacy", "queued")
        assert run.dataset_rows == 60
        assert stores.registry.find_promoted("Late orders") is None  # it is registered: else this raises
    assert actions_in(open_stores) == FIVE


def test_names_are_made_up_where_none_is_given(connect, open_stores):
    with connect() as client:
        client.say()
        accepted = client.take(1)[0]
    with open_stores() as stores:
        model = models.get_model(stores, accepted["model_id"])
        assert model.name == f"parquet-{model.dataset.dataset_id}"
        assert model.config["algorithm"] == "auto"
        assert model.config["validation"]["test_size"] == 0.2


def test_a_model_is_re_used_with_the_configuration_of_the_message_alone(connect, open_stores):
    with open_stores() as stores:
        config = {"target_column": "gone", "feature_columns": ["away"], "search": {"max_trials": 3}}
        model_id = make_model(stores, "Late orders", config=config).id
    with connect() as client:
        client.say(task_name="Late orders")
        assert client.take(1)[0]["model_id"] == model_id
    with open_stores() as stores:
        assert models.get_model(stores, model_id).own_config == {
            "algorithm": "auto",
            "target_column": "late",
            "validation": {"test_size": 0.2},
        }
    assert actions_in(open_stores)[-4:] == [action for action in FIVE if action != "model.created"]


@pytest.mark.parametrize(
    ("facts", "own"),
    [
        ({"model_type": "custom"}, {}),
        ({"task_type": "regression"}, {}),
        ({"private": True}, {}),
        ({}, {"permissions": ["dataset:write"], "role": None}),
    ],
    ids=["custom", "another task", "hidden", "not writable"],
)
def test_a_name_that_cannot_be_re_used_is_taken(connect, open_stores, headers, facts, own):
    facts = dict(facts)
    with open_stores(user="owner-1") as stores:
        is_private = facts.pop("private", False)
        model = make_model(stores, "Late orders", **facts)
        other = make_model(stores, "Other")
        collaborators.grant_role(stores, other.id, "user-2", Role.EDITOR)
        if is_private:
            stores.db.get(ModelRow, model.id).visibility = "private"
    caller = headers(user="user-2", permissions=own.get("permissions", WRITER))
    with connect(caller=caller) as client:
        client.say(task_name="Late orders")
        assert client.error()[0] == "name_taken"


def test_an_editor_of_a_model_may_re_use_it_and_make_none(connect, open_stores, headers):
    with open_stores() as stores:
        model = make_model(stores, "Late orders")
        collaborators.grant_role(stores, model.id, "user-2", Role.EDITOR)
    with connect(caller=headers(user="user-2", permissions=["dataset:write"])) as client:
        client.say(task_name="New")
        assert client.error()[0] == "forbidden"
        client.say(task_name="Late orders")
        assert client.take(1)[0]["model_id"] == model.id


@pytest.mark.parametrize(
    ("permissions", "role"),
    [(["model:write"], None), (["dataset:write"], None), (["model:read", "dataset:read"], None), ([], Role.OWNER),
     (["dataset:write"], Role.VIEWER)],
)  # fmt: skip
def test_who_lacks_a_permission_is_closed_with_4403(connect, open_stores, headers, permissions, role):
    with open_stores() as stores:
        model = make_model(stores, "Late orders")
        if role is not None:
            collaborators.grant_role(stores, model.id, "user-2", role)
    with connect(caller=headers(user="user-2", permissions=permissions)) as client:
        assert client.rest() == ([], 4403, "forbidden")


def test_nobody_known_is_closed_with_4401(connect):
    for caller in ({}, {"Authorization": "Bearer x"}):
        with connect(caller=caller) as client:
            assert client.rest() == ([], 4401, "unauthenticated")


def test_a_ticket_made_for_no_model_opens_it_once(connect, client, headers, open_stores):
    def ticket(**body):
        made = client.post("/api/v1/models/stream-tickets", headers=headers(), json=body)
        assert made.status_code == 201
        return made.json

    opened = ticket()
    assert opened["url"] == "/api/model-studio/ws/train-from-parquet"
    with connect(f"ticket={opened['ticket']}", caller={}) as socket:
        socket.say()
        assert socket.take(1)[0]["type"] == "accepted"
    with connect(f"ticket={opened['ticket']}", caller={}) as socket:
        assert socket.rest() == ([], 4401, "unauthenticated")
    with open_stores() as stores:
        model_id = make_model(stores).id
    with connect(f"ticket={ticket(model_id=model_id)['ticket']}", caller={}) as socket:
        assert socket.rest() == ([], 4401, "unauthenticated")


REFUSED = {
    "no object": ("[]", "validation_failed", "must be an object"),
    "no JSON": ("start_training", "malformed_body", "not JSON"),
    "bytes": (b"{}", "malformed_body", "text message"),
    "nothing": ("", "malformed_body", "not JSON"),
    "no field": ("{}", "validation_failed", "/action is required"),
    "another action": ({"action": "stop"}, "validation_failed", "/action must be start_training"),
    "an unknown field": ({"epochs": 3}, "validation_failed", "/epochs unknown field"),
    "no target": ({"target_variable": None}, "validation_failed", "/target_variable is required"),
    "no file": ({"file_data": None}, "validation_failed", "/file_data is required"),
    "a number for a file": ({"file_data": 7}, "validation_failed", "/file_data must be a text"),
    "an unknown task": ({"ml_task": "ranking"}, "validation_failed", "/ml_task must be one of classification"),
    "a task that is a list": ({"ml_task": ["regression"]}, "validation_failed", "/ml_task"),
    "no test": ({"test_size": 0}, "validation_failed", "/test_size must be above 0 and below 1"),
    "nothing but test": ({"test_size": 1.0}, "validation_failed", "/test_size must be above 0 and below 1"),
    "a text for a number": ({"test_size": "0.2"}, "validation_failed", "/test_size must be a number"),
    "an empty name": ({"task_name": " "}, "validation_failed", "/task_name must have 1 to 120 characters"),
    "a name too long": ({"task_name": "x" * 121}, "validation_failed", "/task_name"),
    "a name with a slash": ({"task_name": "a/b"}, "validation_failed", "/task_name must not contain '/'"),
    "not base64": ({"file_data": "PAR1!"}, "validation_failed", "holds '!' at position 5"),
    "an empty file": ({"file_data": ""}, "dataset_empty", "empty"),
    "a CSV file": ({"file_data": base64.b64encode(csv_of(parcels())).decode()}, "dataset_unreadable", "PAR1"),
    "a cut file": (
        {"file_data": base64.b64encode(parquet_of(parcels())[:-9]).decode()}, "dataset_unreadable", "cut short",
    ),
    "four bytes": ({"file_data": base64.b64encode(b"PAR1").decode()}, "dataset_unreadable", "cut short"),
    "no row": (
        {"file_data": base64.b64encode(parquet_of(parcels().head(0))).decode()}, "dataset_empty", "no rows",
    ),
    "one row": (
        {"file_data": base64.b64encode(parquet_of(parcels().head(1))).decode()}, "validation_failed",
        "at least 5 are needed",
    ),
    "a constant target": (
        {"file_data": base64.b64encode(parquet_of(parcels().assign(late="late"))).decode()}, "validation_failed",
        "in every row",
    ),
    "only the target": (
        {"file_data": base64.b64encode(parquet_of(parcels()[["late"]])).decode()}, "config_incomplete", "column",
    ),
    "another target": ({"target_variable": "lat"}, "unknown_column", "/target_variable there is no column 'lat'"),
    "an unknown algorithm": ({"model_type": "oracle"}, "unknown_algorithm", "/model_type must be one of auto"),
    "an algorithm of another task": ({"model_type": "linear_regression"}, "unknown_algorithm", "linear_regression"),
    "a text to regress": ({"ml_task": "regression"}, "validation_failed", "holds no number"),
    "a series without times": (
        {"ml_task": "time_series", "target_variable": "delay_h"}, "config_incomplete", "exactly one column of times",
    ),
}  # fmt: skip


@pytest.mark.parametrize("refused", REFUSED)
def test_a_refused_message_leaves_nothing_and_may_be_corrected(connect, open_stores, config, refused):
    said, code, words = REFUSED[refused]
    with connect() as client:
        client.socket.send(json.dumps(start_message(**said)) if isinstance(said, dict) else said)
        found = client.error()
        assert found[0] == code
        assert words in found[1]
        assert is_untouched(open_stores, config)
        client.say()
        assert client.take(1)[0]["type"] == "accepted"
    assert actions_in(open_stores) == FIVE


@pytest.mark.parametrize("test_size", [0.0001, 0.79, 0.8, 0.9999])
def test_any_test_size_between_0_and_1_leaves_something_to_train_on(connect, open_stores, test_size):
    with open_stores() as stores:
        organizations.replace_config(stores, {"validation": {"validation_size": 0.3}})
        stores.note = None
    with connect() as client:
        client.say(test_size=test_size)
        accepted = client.take(1)[0]
    with open_stores() as stores:
        found = models.get_model(stores, accepted["model_id"]).config["validation"]
        assert found["test_size"] == test_size
        assert found["test_size"] + found["validation_size"] < 1


def test_a_model_in_training_is_not_started_again(connect):
    with connect() as first, connect() as second:
        first.say(task_name="Late orders")
        assert first.take(1)[0]["type"] == "accepted"
        second.say(task_name="Late orders")
        assert second.error()[0] in ("model_training", "run_in_progress")
        second.say(task_name="Later orders")
        assert second.take(1)[0]["type"] == "accepted"


@pytest.mark.both_databases
def test_two_at_once_both_start_and_of_one_name_only_one(connect, open_stores, database):
    heard = []

    def start(name):
        with connect() as client:
            client.say(task_name=name)
            heard.append(client.take(1)[0])

    threads = [threading.Thread(target=start, args=(name,)) for name in ("One", "Two", "Same", "Same")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(message["type"] for message in heard) == ["accepted"] * 3 + ["error"]
    assert {message["code"] for message in heard if message["type"] == "error"} <= {"model_training", "name_taken"}
    with open_stores() as stores:
        assert len(stores.db.scalars(select(ModelRow)).all()) == len(stores.db.scalars(select(DatasetRow)).all()) == 3


def test_what_is_said_after_the_acceptance_is_ignored(connect, open_stores):
    with connect() as client:
        client.say()
        accepted = client.take(1)[0]
        client.say()
        client.socket.send("x" * 100_000)
        assert client.seqs(1) == [1]
        Story(open_stores, accepted["model_id"], accepted["run_id"]).end()
        messages, code, _ = client.rest()
        assert ([message["type"] for message in messages], code) == (["cancelled"], 1000)


def test_a_message_sent_before_the_answer_to_the_last_is_answered_next(connect):
    with connect() as client:
        client.socket.send(json.dumps(start_message(target_variable="lat")))
        client.socket.send("nonsense")
        client.say()
        assert client.error()[0] == "unknown_column"
        assert client.error()[0] == "malformed_body"
        assert client.take(1)[0]["type"] == "accepted"


def test_a_message_in_many_frames_is_one(connect):
    text = json.dumps(start_message())
    with connect() as client:
        client.socket.send([text[start : start + 100] for start in range(0, len(text), 100)])
        assert client.take(1)[0]["type"] == "accepted"


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(connect, open_stores, config, sockets):
    text = json.dumps(start_message())

    def break_off():
        yield text[:1000]
        client.break_off()
        yield text[1000:]

    with connect() as client:
        with pytest.raises(Exception, match=r"clos|sent|frame"):
            client.socket.send(break_off())
        assert sockets.ended.acquire(timeout=20)
    assert is_untouched(open_stores, config)


def test_leaving_after_the_acceptance_does_not_stop_the_run(connect, open_stores, sockets):
    with connect() as client:
        client.say()
        accepted = client.take(1)[0]
        client.break_off()
    assert sockets.ended.acquire(timeout=20)
    with open_stores() as stores:
        assert training.get_run(stores, accepted["model_id"], accepted["run_id"]).status == "queued"


def test_a_time_series_takes_the_one_column_of_times_and_looks_one_step_ahead(connect, open_stores):
    frame = parcels().drop(columns=["late"]).assign(day=pd.date_range("2026-01-01", periods=60))
    with connect() as client:
        client.say(content=parquet_of(frame), ml_task="time_series", target_variable="delay_h")
        message = client.take(1)[0]
    assert message["type"] == "accepted", message
    with open_stores() as stores:
        found = models.get_model(stores, message["model_id"]).config
        assert (found["time_column"], found["horizon"]) == ("day", 1)


def test_clusters_need_no_target(connect, open_stores):
    with connect() as client:
        client.say(ml_task="clustering", target_variable=None, model_type="kmeans")
        message = client.take(1)[0]
    assert message["type"] == "accepted", message
    with open_stores() as stores:
        assert models.get_model(stores, message["model_id"]).config["target_column"] is None


class TestFull:
    """An organization whose queue is full."""

    @pytest.fixture
    def config(self, config):
        return config.model_copy(update={"queue_limit": 1})

    def test_a_full_queue_is_told_and_leaves_nothing(self, connect, open_stores):
        with open_stores() as stores:
            training.start_run(stores, make_model(stores, dataset=make_dataset(stores)).id)
            stores.note = None
        with connect() as client:
            client.say()
            assert client.error()[0] == "quota_exceeded"
        with open_stores() as stores:
            assert len(stores.db.scalars(select(DatasetRow)).all()) == 1


class TestLookingAgain:
    """Callers who lose what they had."""

    @pytest.fixture
    def pace(self):
        return Pace(recheck_s=0.05, ping_s=0.05)

    def test_a_revoked_token_ends_the_conversation(self, connect, client, headers):
        caller = headers()
        with connect(caller=caller) as socket:
            ping = json.loads(socket.socket.recv(timeout=20))
            assert list(ping) == ["type", "timestamp"]
            assert client.delete("/api/v1/auth/token", headers=caller).status_code == 204
            assert socket.rest()[1:] == (4401, "unauthenticated")

    def test_a_model_made_private_ends_the_stream(self, connect, open_stores, headers):
        with connect(caller=headers(user="user-2", permissions=WRITER)) as client:
            client.say()
            accepted = client.take(1)[0]
            assert client.seqs(1) == [1]
            with open_stores() as stores:
                stores.db.get(ModelRow, accepted["model_id"]).visibility = "private"
                collaborators.forget_model(stores, accepted["model_id"])
            assert client.rest()[1:] == (4404, "not_found")
