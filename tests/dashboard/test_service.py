"""What the dashboard says of an organization."""

from datetime import timedelta

import pytest

from studio.audit import service as audit
from studio.dashboard import service
from studio.domain.model_records import Visibility
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.training.tables import RunRow
from tests.factories import make_model

pytestmark = pytest.mark.both_databases


def say(stores, model, action="model.updated"):
    audit.append_entry(stores, action, model_id=model.id, details={})


def add_run(stores, model, status, *, ended_at):
    row = RunRow(
        id=f"run-20260503-{stores.db.query(RunRow).count():06x}", organization=stores.organization, model_id=model.id,
        status=status, priority=1, rank=0.0, timeout_s=1, config={}, config_override={}, created_at=ended_at,
        created_by="user-1", completed_at=ended_at, stage_seconds={},
    )  # fmt: skip
    stores.db.add(row)
    stores.db.flush()


def test_an_empty_organization(stores):
    stats = service.sum_up(stores, period="7d", model_type=None)
    assert stats.total_models == 0
    assert stats.status_breakdown == {"draft": 0, "training": 0, "ready": 0, "archived": 0, "failed": 0}
    assert stats.model_type_breakdown == {"auto": 0, "custom": 0}
    assert stats.training_success_rate is None
    assert stats.recent_activity == []


def test_counts_and_success_rate(stores):
    first, second = make_model(stores, "one"), make_model(stores, "two")
    stores.note = None
    models.archive_model(stores, second.id)
    now = stores.now()
    for status, age in (("completed", 1), ("completed", 6), ("completed", 8), ("failed", 2), ("cancelled", 1)):
        add_run(stores, first, status, ended_at=now - timedelta(days=age))
    stats = service.sum_up(stores, period="7d", model_type=None)
    assert (stats.total_models, stats.status_breakdown["archived"], stats.status_breakdown["draft"]) == (2, 1, 1)
    assert stats.training_success_rate == pytest.approx(2 / 3)
    assert service.sum_up(stores, period="30d", model_type=None).training_success_rate == pytest.approx(3 / 4)
    of_custom = service.sum_up(stores, period="7d", model_type="custom")
    assert (of_custom.total_models, of_custom.training_success_rate) == (0, None)


def test_activity_is_newest_first_of_ten_and_of_visible_models(open_stores):
    with open_stores() as stores:
        shown, hidden = make_model(stores, "shown"), make_model(stores, "hidden")
        stores.db.get(ModelRow, hidden.id).visibility = str(Visibility.PRIVATE)
        for _ in range(12):
            say(stores, shown)
        say(stores, hidden, "model.archived")
    with open_stores(user="user-2", permissions=["model:read"]) as stores:
        stats = service.sum_up(stores, period="1d", model_type=None)
        assert [event.model_name for event in stats.recent_activity] == ["shown"] * 10
        assert stats.total_models == 2  # counts cover the whole organization
    with open_stores() as stores:
        newest = service.sum_up(stores, period="1d", model_type="auto").recent_activity[0]
        assert (newest.event, newest.model_name) == ("model.archived", "hidden")
