"""Models over HTTP: what a view adds to the services."""

import pytest

from tests.factories import make_dataset, make_model

MODELS = "/api/v1/models"
BODY = {"name": "Late delivery risk", "model_type": "auto", "task_type": "classification"}


@pytest.fixture
def create(client, headers):
    def create(caller=None, **facts):
        return client.post(MODELS, json={**BODY, **facts}, headers=caller or headers())

    return create


@pytest.fixture
def audited(client, headers):
    """Actions and details of a model's entries, newest first, those of members left out."""

    def audited(model_id):
        answer = client.get(f"{MODELS}/audit-logs", query_string={"model_id": model_id}, headers=headers())
        return [(entry["action"], entry["details"]) for entry in answer.json["results"]]

    return audited


@pytest.fixture
def names(client, headers):
    """Names that a list holds, with its count."""

    def names(caller=None, **query):
        answer = client.get(MODELS, query_string=query, headers=caller or headers())
        assert answer.status_code == 200, answer.json
        return answer.json["total"], [model["name"] for model in answer.json["results"]]

    return names


def test_a_new_model_is_answered_in_full_at_its_location(client, headers, create, audited, clock):
    now = clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = create(description="Will it be late?", tags=["eu", "risk", "eu"], config={"target_column": "late"})
    assert answer.status_code == 201
    model = answer.json
    config = model.pop("config")
    assert model == {
        "id": model["id"], "name": "Late delivery risk", "description": "Will it be late?", "model_type": "auto",
        "task_type": "classification", "status": "draft", "version": 1, "tags": ["eu", "risk"], "metrics": {},
        "created_at": now, "updated_at": now, "created_by": "user-1", "archived_at": None, "source_model_id": None,
        "promoted_version_id": None,
    }  # fmt: skip
    assert (config["target_column"], config["algorithm"]) == ("late", "auto")
    read = client.get(answer.headers["Location"], headers=headers())
    assert (read.json, read.headers["ETag"]) == (answer.json | {"config": config}, answer.headers["ETag"])
    assert (
        client.get(answer.headers["Location"], headers={**headers(), "If-None-Match": read.headers["ETag"]}).status_code
        == 304
    )
    [(action, details)] = audited(model["id"])
    assert (action, details["name"]) == ("model.created", "Late delivery risk")


@pytest.mark.parametrize(
    ("facts", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 121}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"name": "a:b"}, "/name"),
        ({"name": "a\u0000b"}, "/name"),
        ({"description": "x" * 2001}, "/description"),
        ({"model_type": "deep"}, "/model_type"),
        ({"task_type": None}, "/task_type"),
        ({"tags": ["a,b"]}, "/tags/0"),
        ({"tags": ["x" * 51]}, "/tags/0"),
        ({"tags": [str(number) for number in range(51)]}, "/tags"),
        ({"config": {"oracle": 1}}, "/config/oracle"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_a_body_out_of_bounds_is_refused_at_its_pointer(create, names, facts, pointer):
    answer = create(**facts)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert names() == (0, [])


def test_a_name_is_taken_also_by_models_one_cannot_see(create, headers):
    assert create().status_code == 201
    again = create(headers(user="user-2", permissions=["model:write"]))
    assert (again.status_code, again.json["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"page": 0}, "page"),
        ({"page": "x"}, "page"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"status": "lost"}, "status"),
        ({"model_type": "deep"}, "model_type"),
        ({"task_type": "guess"}, "task_type"),
        ({"search": ""}, "search"),
        ({"search": "x" * 201}, "search"),
        ({"search": "a\0b"}, "search"),
        ({"tags": "a\0b"}, "tags"),
        ({"sort_by": "id"}, "sort_by"),
        ({"sort_order": "up"}, "sort_order"),
    ],
)
def test_a_query_out_of_bounds_is_refused(client, headers, query, pointer):
    answer = client.get(MODELS, query_string=query, headers=headers())
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


@pytest.mark.both_databases
def test_a_list_answers_summaries_with_an_exact_count(client, headers, create, clock):
    for number in range(3):
        create(name=f"model {number}")
        clock.advance(seconds=1)
    answer = client.get(MODELS, query_string={"page": 2, "page_size": 2}, headers=headers())
    assert {key: answer.json[key] for key in ("total", "page", "page_size")} == {"total": 3, "page": 2, "page_size": 2}
    [model] = answer.json["results"]
    assert model == {
        "id": model["id"], "name": "model 0", "model_type": "auto", "task_type": "classification", "status": "draft",
        "version": 1, "created_at": model["created_at"], "updated_at": model["created_at"],
    }  # fmt: skip
    beyond = client.get(MODELS, query_string={"page": 10**9, "page_size": 100}, headers=headers())
    assert (beyond.status_code, beyond.json["total"], beyond.json["results"]) == (200, 3, [])


@pytest.mark.both_databases
def test_filters_of_a_list(create, names, client, headers):
    create(name="Late delivery", tags=["eu", "risk"])
    create(name="Transit hours", description="late, too", tags=["eu"], task_type="regression")
    gone = create(name="Old", tags=["eu"]).json["id"]
    client.post(f"{MODELS}/{gone}/archive", headers=headers())
    by_name = {"sort_by": "name", "sort_order": "asc"}
    assert names(**by_name) == (2, ["Late delivery", "Transit hours"])
    assert names(search="LATE", **by_name) == (2, ["Late delivery", "Transit hours"])
    assert names(search="late too") == (1, ["Transit hours"])
    assert names(tags=" eu , risk ") == (1, ["Late delivery"])
    assert names(tags=",") == names()
    assert names(task_type="regression") == (1, ["Transit hours"])
    assert names(status="archived", tags="eu") == (1, ["Old"])
    assert names(model_type="custom") == (0, [])
    assert names(unheard_of="x", **by_name)[0] == 2


def test_who_may_list(client, headers, create, names):
    create(name="shared")
    with_role = create(headers(user="li", permissions=["model:write"]), name="of li").json["id"]
    settings = {"access": {"visibility": "private"}}
    client.patch(f"{MODELS}/{with_role}/settings", json=settings, headers=headers())
    assert names(headers(user="ana", permissions=["model:read"])) == (1, ["shared"])
    assert names(headers(user="ana", role="organization:viewer")) == (1, ["shared"])
    assert names(headers(user="li", permissions=[])) == (1, ["of li"])
    assert names(headers(user="li", permissions=["model:read"]))[0] == 2
    assert names(headers(org="other")) == (0, [])
    refused = client.get(MODELS, headers=headers(user="ana", permissions=["dataset:read"]))
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert client.get(MODELS).json["code"] == "token_missing"


def test_a_change_says_what_it_changed(client, headers, create, audited):
    made = create(tags=["eu"])
    path, etag = made.headers["Location"], made.headers["ETag"]
    changed = client.patch(path, json={"tags": [], "description": "new"}, headers={**headers(), "If-Match": etag})
    assert (changed.status_code, changed.json["tags"], changed.json["description"]) == (200, [], "new")
    assert changed.headers["ETag"] != etag
    assert audited(made.json["id"])[0] == (
        "model.updated",
        {"changes": {"tags": {"previous": ["eu"], "new": []}, "description": {"previous": "", "new": "new"}}},
    )
    stale = client.patch(path, json={"tags": ["x"]}, headers={**headers(), "If-Match": etag})
    assert (stale.status_code, stale.json["code"]) == (412, "precondition_failed")
    fixed = client.patch(path, json={"task_type": "regression"}, headers=headers())
    assert (fixed.status_code, fixed.json["code"]) == (422, "immutable_field")
    assert len(audited(made.json["id"])) == 2


def test_archiving_and_back(client, headers, create, audited):
    model_id = create().json["id"]
    path = f"{MODELS}/{model_id}"
    archived = client.post(f"{path}/archive", headers=headers())
    assert (archived.status_code, archived.json["status"]) == (200, "archived")
    assert archived.json["archived_at"] == archived.json["updated_at"]
    assert client.post(f"{path}/archive", headers=headers()).json["code"] == "already_archived"
    back = client.post(f"{path}/unarchive", headers=headers())
    assert (back.json["status"], back.json["archived_at"]) == ("draft", None)
    assert client.post(f"{path}/unarchive", headers=headers()).json["code"] == "not_archived"
    assert [action for action, _ in audited(model_id)] == ["model.unarchived", "model.archived", "model.created"]


def test_a_copy_is_the_callers_own(client, headers, create, audited):
    source = create(tags=["eu"], description="of the source").json
    ana = headers(user="ana", permissions=["model:read", "model:write"])
    copied = client.post(f"{MODELS}/{source['id']}/duplicate", json={"name": "copy"}, headers=ana)
    assert copied.status_code == 201
    assert copied.headers["Location"] == f"{MODELS}/{copied.json['id']}"
    assert {key: copied.json[key] for key in ("source_model_id", "tags", "description", "created_by")} == {
        "source_model_id": source["id"], "tags": ["eu"], "description": "of the source", "created_by": "ana",
    }  # fmt: skip
    assert audited(source["id"])[0][1] == {
        "source_model_id": source["id"], "new_model_id": copied.json["id"], "name": "copy",
    }  # fmt: skip
    reader = headers(user="li", permissions=["model:read"])
    assert client.post(f"{MODELS}/{source['id']}/duplicate", json={"name": "2"}, headers=reader).status_code == 403


def test_only_owners_and_admins_delete(client, headers, create, audited, names):
    model_id = create(headers(user="ana", permissions=["model:write"])).json["id"]
    writer = headers(user="li", permissions=["model:read", "model:write"])
    assert client.delete(f"{MODELS}/{model_id}", headers=writer).status_code == 403
    assert client.delete(f"{MODELS}/{model_id}", headers=headers(user="ana", permissions=[])).status_code == 204
    assert names() == (0, [])
    assert client.get(f"{MODELS}/{model_id}", headers=headers()).json["code"] == "model_not_found"
    assert audited(model_id)[0][0] == "model.deleted"


def test_a_training_model_is_deleted_with_force_alone(client, headers, open_stores):
    from studio.models import service

    with open_stores() as stores:
        model = make_model(stores)
        service.begin_training(stores, model.id)
    path = f"{MODELS}/{model.id}"
    refused = client.delete(path, headers=headers())
    assert (refused.status_code, refused.json["code"]) == (409, "model_training")
    assert client.delete(path, query_string={"force": "true"}, headers=headers()).status_code == 204


def test_a_dataset_is_linked_and_unlinked(client, headers, create, audited, open_stores):
    with open_stores() as stores:
        dataset = make_dataset(stores, id="ds-5e1ec7ed")
    model_id = create(config={"target_column": "late"}).json["id"]
    path = f"{MODELS}/{model_id}/dataset"
    linked = client.post(path, json={"dataset_id": dataset.id}, headers=headers())
    assert linked.status_code == 200
    assert linked.json == {
        "model_id": model_id, "dataset_id": "ds-5e1ec7ed", "dataset_name": "Parcels", "schema_validated": True,
        "linked_at": linked.json["linked_at"],
    }  # fmt: skip
    assert client.get(f"{MODELS}/{model_id}", headers=headers()).json["dataset"]["id"] == "ds-5e1ec7ed"
    assert client.delete(path, headers=headers()).status_code == 204
    assert client.delete(path, headers=headers()).json["code"] == "dataset_not_linked"
    assert "dataset" not in client.get(f"{MODELS}/{model_id}", headers=headers()).json
    assert [action for action, _ in audited(model_id)[:2]] == ["model.dataset_unlinked", "model.dataset_linked"]


@pytest.mark.parametrize("model_id", ["mdl-00000000", "mdl-x", "1", "%00", "mdl-0000000g"])
def test_an_unknown_id_is_one_404(client, headers, model_id):
    for method, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "/archive"), ("post", "/unarchive")):
        answer = getattr(client, method)(f"{MODELS}/{model_id}{path}", headers=headers())
        assert (answer.status_code, answer.json["code"]) == (404, "model_not_found"), (method, path)


def test_another_organizations_model_is_unknown(client, headers, create):
    path = create().headers["Location"]
    answer = client.get(path, headers=headers(org="other"))
    assert (answer.status_code, answer.json["code"]) == (404, "model_not_found")
