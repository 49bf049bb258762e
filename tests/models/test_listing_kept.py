"""The listing is right after every change, by whomever, also when many change the same models at once."""

import random
import threading

import pytest
from sqlalchemy import delete, func, select, text

from studio.collaborators import service as roles
from studio.domain.permissions import Role
from studio.errors import NameTaken, StudioError
from studio.models import service
from studio.models.tables import ListingRow, ModelRow
from tests.factories import make_model
from tests.models.lines import check_listing, make_lines

pytestmark = pytest.mark.both_databases

WRITERS = 4
ACTS_OF_EACH = 12


def total(stores, **wanted):
    return service.list_models(stores, service.ModelFilter(**wanted), page=1, page_size=20).total


def test_every_change_of_a_model_is_listed(stores):
    model = make_model(stores, "one", tags=["eu"])
    assert total(stores, search="one", tags=["eu"]) == 1
    service.update_model(stores, model.id, {"name": "two", "tags": ["us"], "description": "all about parcels"})
    stores.note = None
    assert (total(stores, search="one"), total(stores, tags=["eu"])) == (0, 0)
    assert total(stores, search="two parcels", tags=["us"]) == 1
    service.archive_model(stores, model.id)
    stores.note = None
    assert (total(stores), total(stores, search="two"), total(stores, search="two", status="archived")) == (0, 0, 1)
    service.unarchive_model(stores, model.id)
    stores.note = None
    service.begin_training(stores, model.id)
    assert total(stores, search="two", status="training") == 1
    service.end_training(stores, model.id, failed=True, has_ready_version=False)
    assert total(stores, search="two", status="failed") == 1
    service.refresh_versions(stores, model.id, highest=7, promoted_version_id=None, metrics={}, has_ready_version=True)
    [row] = service.list_models(stores, service.ModelFilter(), page=1, page_size=20).results
    assert (row.version, row.status, row.updated_at) == (7, "ready", stores.db.get(ModelRow, model.id).updated_at)
    check_listing(stores.db)
    service.delete_model(stores, model.id)
    assert (total(stores), total(stores, search="two")) == (0, 0)
    check_listing(stores.db)


def test_a_role_shows_a_private_model_and_its_end_hides_it(open_stores):
    def seen():
        with open_stores(user="li", permissions=["model:read"], write=False) as stores:
            return total(stores), total(stores, search="secret")

    with open_stores() as stores:
        model = make_model(stores, "secret")
        service.update_settings(stores, model.id, {"access": {"visibility": "private"}})
    assert seen() == (0, 0)
    for change, count in (
        (lambda stores: roles.grant_role(stores, model.id, "li", Role.VIEWER), 1),
        (lambda stores: roles.grant_role(stores, model.id, "li", Role.EDITOR), 1),
        (lambda stores: roles.revoke_role(stores, model.id, "li"), 0),
    ):
        with open_stores() as stores:
            change(stores)
            check_listing(stores.db)
        assert seen() == (count, count)


def test_what_is_rolled_back_is_not_listed(open_stores):
    def make_twice():
        with open_stores() as stores:
            make_model(stores, "one")
            make_model(stores, "one")

    with pytest.raises(NameTaken):
        make_twice()
    with open_stores(write=False) as stores:
        assert total(stores, search="one") == 0
        check_listing(stores.db)


def test_statements_that_know_nothing_of_the_listing_keep_it(stores):
    make_lines(stores, 30)
    for statement in (
        "UPDATE models SET status = 'ready' WHERE status <> 'archived'",
        "UPDATE models SET visibility = 'private', search_text = 'word'",
        "UPDATE model_roles SET role = 'editor'",
        "UPDATE model_tags SET tag = 'new' || position",
        "DELETE FROM model_roles WHERE user_id = 'ana'",
        "DELETE FROM model_tags WHERE position = 1",
    ):
        stores.db.execute(text(statement))
        check_listing(stores.db)
    assert total(stores, search="word", tags=["new0"]) > 0
    stores.db.execute(delete(ModelRow).where(ModelRow.status == "archived"))
    check_listing(stores.db)


def act(open_stores, draw, ids):
    """One thing of those that happen to models."""
    with open_stores(user=f"user-{draw.randrange(3)}") as stores:
        model_id = draw.choice(ids)
        acts = [
            lambda: ids.append(make_model(stores, f"new {draw.getrandbits(60):x}", tags=["a", "b"]).id),
            lambda: service.update_model(stores, model_id, {"description": f"word{draw.randrange(9)}", "tags": ["c"]}),
            lambda: service.archive_model(stores, model_id),
            lambda: service.unarchive_model(stores, model_id),
            lambda: service.begin_training(stores, model_id),
            lambda: service.end_training(stores, model_id, failed=True, has_ready_version=False),
            lambda: (service.lock_model(stores, model_id), roles.grant_role(stores, model_id, "li", Role.VIEWER)),
            lambda: service.delete_model(stores, model_id, force=True),
        ]
        draw.choice(acts)()


def test_many_who_write_at_once_leave_right_lines_and_counts(open_stores):
    with open_stores() as stores:
        ids = [make_model(stores, f"model {number}").id for number in range(6)]
    faults = []

    def write(seed):
        draw = random.Random(seed)
        for _ in range(ACTS_OF_EACH):
            try:
                act(open_stores, draw, ids)
            except StudioError:
                pass  # gone, archived or in training: another was there first
            except Exception as fault:
                faults.append(fault)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with open_stores(write=False) as stores:
        check_listing(stores.db)
        for status in ("draft", "training", "ready", "archived", "failed"):
            counted = stores.db.scalar(select(func.count()).where(ModelRow.status == status))
            assert total(stores, status=status) == counted
            assert sum(
                n for (held, _), n in service.count_models(stores, model_type=None).items() if held == status
            ) == (counted)
        assert stores.db.scalar(select(func.count()).select_from(ListingRow)) >= 1


def test_a_role_and_a_status_changed_at_once_are_both_listed(open_stores):
    """Neither writer sees what the other has not committed: the later one must look again."""
    with open_stores() as stores:
        model = make_model(stores, "one")

    def archive():
        with open_stores() as stores:
            service.archive_model(stores, model.id)

    writer = threading.Thread(target=archive)
    with open_stores() as stores:
        roles.grant_role(stores, model.id, "li", Role.VIEWER)
        writer.start()
        writer.join(0.5)
        assert writer.is_alive()  # it waits
    writer.join()
    with open_stores(user="li", permissions=[], write=False) as stores:
        assert total(stores, status="archived") == 1
        check_listing(stores.db)
