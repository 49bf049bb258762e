"""Lists of models: the same answer as looking at every model by itself, on both databases."""

import random

import pytest
from sqlalchemy import select

from studio.domain.permissions import GRANTS
from studio.models import service
from studio.models.service import listing
from studio.models.tables import ModelRow
from tests.factories import make_model
from tests.models.lines import NAMES, STATUSES, TAGS, USERS, check_listing, expect, make_lines

pytestmark = pytest.mark.both_databases

PERMISSIONS = [("organization:admin",), ("model:read",), ("organization:viewer",), ("dataset:read",), ()]
ORDERS = ["name", "created_at", "updated_at", "status"]
MODELS = 80


def ids_of(stores, wanted, *, page_size=100):
    """Ids of all pages of a list, in order; every page has the same exact count."""
    found, page = [], 1
    while True:
        answer = service.list_models(stores, wanted, page=page, page_size=page_size)
        found += [row.id for row in answer.results]
        if not answer.results:
            assert answer.total == len(found)
            return found
        page += 1


def draw_filter(draw):
    """Any filter; its words and tags are mostly those there are."""
    words = [*NAMES, "lat", "DELIV", "CAFE", "遅延", "z", '"', "%", "(", "x" * 200, "1", " ", "~", "' OR 1=1 --", "\\"]
    return service.ModelFilter(
        status=draw.choice([None, None, *STATUSES]),
        model_type=draw.choice([None, None, "auto", "custom"]),
        task_type=draw.choice([None, None, "regression"]),
        search=draw.choice([None, " ".join(draw.choices(words, k=draw.randint(1, 3)))]),
        tags=draw.sample([*TAGS, "none has it", "t" * 51], draw.choice([0, 0, 1, 1, 2])),
        sort_by=draw.choice(ORDERS),
        descending=draw.random() < 0.5,
    )


@pytest.mark.parametrize("few", [0, 2000])
def test_every_list_is_what_looking_at_every_model_gives(open_stores, monkeypatch, few):
    monkeypatch.setattr(listing, "FEW", few)
    with open_stores() as stores:
        lines = make_lines(stores, MODELS)
        make_lines(stores, 20, seed=2, organization="other")
    draw = random.Random(few)
    found_some = 0
    for _ in range(300):
        wanted, caller = (
            draw_filter(draw),
            {"user": draw.choice([*USERS, "x"]), "permissions": draw.choice(PERMISSIONS)},
        )
        with open_stores(**caller, write=False) as stores:
            found = ids_of(stores, wanted, page_size=draw.choice([1, 7, 100]))
            assert found == expect(lines, wanted, **caller), (wanted, caller)
            is_visible = service.is_of_model(stores, ModelRow.id, model_type=None, visible_only=True)
            visible = set(stores.db.scalars(select(ModelRow.id).where(is_visible)))
        assert visible == {
            model_id for status in STATUSES for model_id in expect(lines, service.ModelFilter(status=status), **caller)
        }
        found_some += bool(found)
    assert found_some > 100


@pytest.mark.parametrize(
    "search", ["🚚" * 200, " ".join("abcdefghijklmnopqrstuvwxyz0123456789" * 2), "a" * 200, "é " * 100]
)
def test_the_longest_searches_are_answered(stores, search):
    lines, wanted = make_lines(stores, 20), service.ModelFilter(search=search[:200])
    assert ids_of(stores, wanted) == expect(lines, wanted)


def test_distinct_symbols_are_as_many_words(stores):
    symbols = "".join(chr(0x1F300 + number) for number in range(200))
    model = make_model(stores, description=symbols)
    assert ids_of(stores, service.ModelFilter(search=symbols)) == [model.id]
    assert ids_of(stores, service.ModelFilter(search=symbols[:-1] + "x")) == []


def test_every_role_lets_its_holder_see_the_model():
    assert all("model:read" in granted for granted in GRANTS.values())  # the listing asks for no particular role


def test_counts_of_the_dashboard_are_those_of_the_rows(stores):
    lines = make_lines(stores, MODELS)
    make_lines(stores, 20, seed=2, organization="other")
    counts = service.count_models(stores, model_type=None)
    assert counts == {
        (status, kind): count
        for status in STATUSES
        for kind in ("auto", "custom")
        if (count := sum((line.row.status, line.row.model_type) == (status, kind) for line in lines))
    }
    assert service.count_models(stores, model_type="auto") == {key: n for key, n in counts.items() if key[1] == "auto"}


def test_names_are_sorted_by_code_point(stores):
    lines = make_lines(stores, MODELS)
    wanted = service.ModelFilter(sort_by="name", descending=False, status="ready")
    names = {line.row.id: line.row.name for line in lines}
    shown = [names[model_id] for model_id in ids_of(stores, wanted)]
    assert shown == sorted(shown)
    check_listing(stores.db)
