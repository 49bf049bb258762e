from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from studio.domain.versions import VersionStatus
from studio.errors import ModelArchived, ModelNotFound, NoPreviousVersion
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_version, random_id


@pytest.fixture
def model(open_stores):
    """A model with three ready versions."""
    with open_stores() as stores:
        model = make_model(stores)
    for accuracy in (0.7, 0.8, 0.9):
        with open_stores() as stores:
            add_version(stores, model, metrics={"accuracy": accuracy})
    return model


@pytest.fixture
def promote(open_stores, model, clock):
    def promote(*numbers):
        for number in numbers:
            clock.advance(hours=1)
            with open_stores() as stores:
                versions.promote_version(stores, model.id, f"ver-00{number}", reason=f"try {number}")

    return promote


@pytest.fixture
def roll_back(open_stores, model, clock):
    def roll_back(**choices):
        clock.advance(hours=1)
        with open_stores() as stores:
            return versions.rollback_promotion(stores, model.id, **choices).version.number

    return roll_back


@pytest.fixture
def history(open_stores, model):
    def read(at=None, page=1, page_size=20):
        with open_stores(write=False) as stores:
            return versions.list_promotions(stores, model.id, at=at, page=page, page_size=page_size).page

    return read


@pytest.mark.both_databases
def test_two_rollbacks_in_a_row_end_where_they_began(promote, roll_back, history, open_stores, model):
    promote(1, 3)

    assert roll_back(reason="worse") == 1
    with open_stores(write=False) as stores:
        assert stores.registry.find_promoted(model.name) == 1
        shown = models.get_model(stores, model.id)
    assert (shown.promoted_version_id, shown.metrics) == ("ver-001", {"accuracy": 0.7})
    assert roll_back() == 3
    assert [(tenure.version, tenure.source, tenure.reason) for tenure in history().results] == [
        (3, "rollback", None),
        (1, "rollback", "worse"),
        (3, "api", "try 3"),
        (1, "api", "try 1"),
    ]


@pytest.mark.both_databases
def test_rollbacks_at_once_come_one_after_the_other(promote, history, open_stores, model):
    promote(1, 3)

    def roll_back(_):
        with open_stores() as stores:
            return versions.rollback_promotion(stores, model.id).version.number

    with ThreadPoolExecutor(4) as callers:
        assert sorted(callers.map(roll_back, range(4))) == [1, 1, 3, 3]
    assert [tenure.version for tenure in history().results] == [3, 1, 3, 1, 3, 1]
    with open_stores(write=False) as stores:
        assert (stores.registry.find_promoted(model.name), stores.registry.list_staged(model.name)) == (3, [3])


def test_rollbacks_skip_what_is_deleted_or_not_ready(promote, roll_back, open_stores, model):
    promote(1, 2, 3)
    with open_stores() as stores:
        versions.delete_version(stores, model.id, "ver-002")
    assert roll_back() == 1
    assert roll_back() == 3
    with open_stores() as stores:
        stores.registry.update_version(model.name, 1, status=VersionStatus.FAILED)
    with pytest.raises(NoPreviousVersion):
        roll_back()


def test_there_is_nothing_to_roll_back_to_at_first(promote, roll_back):
    with pytest.raises(NoPreviousVersion):
        roll_back()
    promote(2)
    with pytest.raises(NoPreviousVersion):
        roll_back()


def test_an_emptied_place_is_given_back(promote, roll_back, reconcile, mlflow_client, model):
    promote(1, 2)
    mlflow_client("delete_registered_model_alias", model.name, "production")
    reconcile()
    assert roll_back() == 2


def test_a_rollback_of_what_a_client_promoted_is_told_in_order(promote, roll_back, history, mlflow_client, model):
    promote(1)
    mlflow_client("set_registered_model_alias", model.name, "production", "2")

    assert roll_back() == 1
    assert [(tenure.version, tenure.by) for tenure in history().results] == [
        (1, "user-1"),
        (2, "mlflow"),
        (1, "user-1"),
    ]


def test_an_archived_model_is_not_rolled_back(promote, roll_back, open_stores, model):
    promote(1, 2)
    with open_stores() as stores:
        stores.db.get(ModelRow, model.id).status = "archived"
    with pytest.raises(ModelArchived):
        roll_back()


@pytest.mark.both_databases
def test_the_history_tells_who_held_the_place_when(promote, history, clock):
    start = clock.now
    promote(1, 2, 1)

    assert [(tenure.version, tenure.demoted_at) for tenure in history().results] == [
        (1, None),
        (2, start + timedelta(hours=3)),
        (1, start + timedelta(hours=2)),
    ]
    second = history(page=2, page_size=2)
    assert (second.total, [tenure.version for tenure in second.results]) == (3, [1])

    def held(**later):
        found = history(at=start + timedelta(**later))
        return found.total, [tenure.version for tenure in found.results]

    assert held(minutes=59, seconds=59) == (0, [])
    assert held(hours=1) == (1, [1])
    assert held(hours=2, seconds=-1) == (1, [1])
    assert held(hours=2) == (1, [2])
    assert held(days=300) == (1, [1])
    assert history(at=datetime.max.replace(tzinfo=UTC)).total == 1
    assert history(at=datetime.min.replace(tzinfo=UTC)).total == 0
    assert (history(at=clock.now, page=2).total, history(at=clock.now, page=2).results) == (1, [])


def test_a_promotion_is_found_at_the_second_it_is_shown_with(promote, history, clock):
    clock.advance(microseconds=600_000)
    promote(1)
    assert history(at=clock.now.replace(microsecond=0)).total == 1


def test_an_emptied_place_holds_nothing(promote, history, reconcile, mlflow_client, model, clock):
    promote(1)
    clock.advance(hours=1)
    mlflow_client("delete_registered_model_alias", model.name, "production")
    reconcile()

    assert history(at=clock.now).results == []
    assert [(tenure.version, tenure.demoted_at) for tenure in history().results] == [(1, clock.now)]


def test_a_model_nobody_has_has_no_history(open_stores):
    with pytest.raises(ModelNotFound), open_stores() as stores:
        versions.list_promotions(stores, random_id(), page=1, page_size=20)
