"""The dataset catalogue as clients see it."""

import gzip
import hashlib
import io
import json

import pandas as pd
import pytest

from studio.app import create_app
from studio.runtime import Runtime
from tests.factories import csv_of, make_dataset, make_model, parcels

DATASETS = "/api/v1/models/datasets"
CSV = b"distance_km,carrier,late\n812,Ansa,late\n14.5,Nordvik,on_time\n"
MEMBERS = {
    "id", "name", "description", "format", "source", "rows", "columns", "size_bytes", "fingerprint", "linked_models",
    "created_at", "created_by",
}  # fmt: skip


def form(content=CSV, filename="orders.csv", **fields):
    return {"file": (io.BytesIO(content), filename), **fields}


def parquet_of(frame):
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return sink.getvalue()


def files_left(runtime):
    """Everything the file store and the work folders hold."""
    folders = (runtime.files.root, runtime.config.data_folder / "uploads")
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def upload(client, headers):
    def send(content=CSV, filename="orders.csv", *, as_user=None, key=None, **fields):
        sent = dict(as_user or headers())
        if key:
            sent["Idempotency-Key"] = key
        return client.post(DATASETS, headers=sent, data=form(content, filename, **fields))

    return send


@pytest.fixture
def assert_refused(client, headers, runtime, upload):
    """Uploads what must be refused, and sees that nothing of it is left."""

    def check(content, status, code, **fields):
        response = upload(content, **fields)
        assert (response.status_code, response.json["code"]) == (status, code), response.json
        assert client.get(DATASETS, headers=headers()).json["total"] == 0
        assert files_left(runtime) == []
        return response.json

    return check


class TestUpload:
    def test_a_csv_becomes_a_dataset(self, client, headers, upload):
        response = upload(name="  Orders Q2 ", description="Parcels\nof spring")
        assert response.status_code == 201
        made = response.json
        assert set(made) == MEMBERS
        assert response.headers["Location"] == f"{DATASETS}/{made['id']}"
        assert (made["name"], made["description"]) == ("Orders Q2", "Parcels\nof spring")
        assert (made["format"], made["rows"], made["size_bytes"]) == ("csv", 2, len(CSV))
        assert made["source"] == {"type": "upload", "uri": None}
        assert made["fingerprint"] == hashlib.sha256(CSV).hexdigest()
        assert made["columns"] == [
            {"name": "distance_km", "type": "number"},
            {"name": "carrier", "type": "category"},
            {"name": "late", "type": "category"},
        ]
        assert (made["linked_models"], made["created_by"]) == (0, "user-1")
        got = client.get(response.headers["Location"], headers=headers())
        assert got.json == made
        assert got.headers["ETag"] == response.headers["ETag"]
        again = client.get(response.headers["Location"], headers={**headers(), "If-None-Match": got.headers["ETag"]})
        assert again.status_code == 304

    @pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "gzip"])
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_the_content_tells_the_format(self, upload, kind, is_compressed):
        content = csv_of(parcels()) if kind == "csv" else parquet_of(parcels())
        made = upload(gzip.compress(content) if is_compressed else content, "whatever.bin").json
        assert (made["format"], made["rows"]) == (kind, 60)
        assert made["size_bytes"] == len(content)
        assert made["fingerprint"] == hashlib.sha256(content).hexdigest()
        assert {column["name"]: column["type"] for column in made["columns"]}["is_fragile"] == "boolean"

    def test_the_same_content_twice_is_two_datasets(self, upload):
        one, other = upload().json, upload().json
        assert one["id"] != other["id"]
        assert one["fingerprint"] == other["fingerprint"]

    @pytest.mark.parametrize(
        ("filename", "name"),
        [
            ("orders.csv", "orders.csv"),
            ("../../etc/passwd", "passwd"),
            ("Pakete 'Q2' 🚚.csv", "Pakete 'Q2' 🚚.csv"),
            ("x" * 150 + ".csv", "x" * 120),
        ],
    )
    def test_the_file_gives_its_name(self, upload, filename, name):
        assert upload(CSV, filename).json["name"] == name

    def test_a_name_may_hold_quotes_and_emoji(self, upload):
        assert upload(name="""O'Brien's "late" 🚚; DROP TABLE""").json["name"] == """O'Brien's "late" 🚚; DROP TABLE"""

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"name": " "}, "/name"),
            ({"name": "x" * 121}, "/name"),
            ({"name": "a\x07b"}, "/name"),
            ({"description": "x" * 2001}, "/description"),
            ({"nam": "x"}, "/nam"),
        ],
    )
    def test_a_bad_field_is_named(self, assert_refused, fields, pointer):
        problem = assert_refused(CSV, 422, "validation_failed", **fields)
        assert [error["pointer"] for error in problem["errors"]] == [pointer]

    def test_a_form_without_a_file_says_so(self, client, headers):
        for data in ({"name": "x"}, {"name": "x", "file": "a,b\n1,2\n"}):
            response = client.post(
                DATASETS, headers=headers(), data=data, content_type="multipart/form-data; boundary=edge"
            )
            assert (response.status_code, response.json["code"]) == (422, "validation_failed")
            assert [error["pointer"] for error in response.json["errors"]] == ["/file"]

    def test_another_media_type_is_not_taken(self, client, headers):
        response = client.post(DATASETS, headers=headers(), data=CSV, content_type="text/csv")
        assert (response.status_code, response.json["code"]) == (415, "unsupported_media_type")

    def test_the_audit_tells_of_it_without_its_data(self, client, headers, upload):
        made = upload().json
        entry = client.get("/api/v1/models/audit-logs", headers=headers()).json["results"][0]
        assert entry["action"] == "dataset.created"
        assert entry["model_id"] is None
        assert entry["details"] == {
            "dataset_id": made["id"], "name": "orders.csv", "source_type": "upload", "source_uri": None,
            "format": "csv", "rows": 2, "columns": 3, "size_bytes": len(CSV), "fingerprint": made["fingerprint"],
        }  # fmt: skip

    def test_a_repeat_with_the_same_key_makes_nothing_new(self, client, headers, upload):
        first, second = upload(key="k1"), upload(key="k1")
        assert second.status_code == 201
        assert second.headers["Idempotency-Replayed"] == "true"
        assert second.json == first.json
        assert client.get(DATASETS, headers=headers()).json["total"] == 1
        other = upload(CSV + b"3,x,late\n", key="k1")
        assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")

    def test_a_refused_upload_frees_its_key(self, upload):
        assert upload(b"", key="k1").status_code == 422
        assert upload(key="k1").status_code == 201


class TestRefusedContent:
    @pytest.mark.parametrize(
        "content", [b"", b"\n\n", b"a,b\n", gzip.compress(b"", mtime=0), parquet_of(pd.DataFrame({"a": []}))]
    )
    def test_nothing_in_it(self, assert_refused, content):
        assert_refused(content, 422, "dataset_empty")

    def test_one_row_is_a_table(self, upload):
        assert upload(b"a\n1\n").json["rows"] == 1

    def test_columns_of_one_name_are_listed(self, assert_refused):
        problem = assert_refused(b"a,b,a,b,c\n1,2,3,4,5\n", 422, "duplicate_columns")
        assert [error["pointer"] for error in problem["errors"]] == ["a", "b"]

    def test_a_column_without_a_name(self, assert_refused):
        assert assert_refused(b"a,,c\n1,2,3\n", 422, "dataset_unreadable")["column"] == 2

    def test_a_ragged_line_is_named(self, assert_refused):
        assert assert_refused(b"a,b\n1,2\n3,4,5\n6,7\n", 422, "dataset_unreadable")["line"] == 3

    def test_latin_1_is_told_from_utf_8(self, assert_refused):
        problem = assert_refused("name\nMüller\n".encode("latin-1"), 422, "dataset_unreadable")
        assert problem["line"] == 2
        assert "UTF-8" in problem["detail"]

    def test_a_broken_parquet_file(self, assert_refused):
        assert_refused(parquet_of(parcels())[:-200], 422, "dataset_unreadable")

    def test_a_broken_gzip_file(self, assert_refused):
        assert_refused(gzip.compress(csv_of(parcels()))[:-20], 422, "dataset_unreadable")

    def test_no_problem_tells_a_path_of_the_service(self, assert_refused, runtime):
        for content in (b"", b"a,b\n1\n", parquet_of(parcels())[:-200], gzip.compress(CSV)[:-9]):
            problem = json.dumps(
                upload_problem := assert_refused(content, 422, "dataset_empty" if not content else "dataset_unreadable")
            )
            assert upload_problem["status"] == 422
            assert str(runtime.config.data_folder) not in problem
            assert "/proc/" not in problem


class TestLimit:
    @pytest.fixture
    def config(self, config):
        return config.model_copy(update={"dataset_limit_bytes": 2000})

    @pytest.mark.parametrize(
        "content",
        [b"a,b\n" + b"1,2\n" * 500, gzip.compress(b"a,b\n" + b"1,2\n" * 500, mtime=0), b"a\n" + b"1\n" * (2 << 20)],
        ids=["received", "decompressed", "far beyond"],
    )
    def test_more_bytes_are_refused(self, assert_refused, content):
        assert_refused(content, 413, "payload_too_large")

    def test_the_limit_itself_passes(self, upload):
        assert upload(b"a,b\n" + b"1,2\n" * 499).json["size_bytes"] == 2000


class TestWideAndOddTables:
    def test_ten_thousand_columns(self, client, headers, upload):
        names = [f"c{number}" for number in range(10_000)]
        content = "\n".join([",".join(names), *[",".join(["1"] * 10_000)] * 3]).encode()
        made = upload(content).json
        assert len(made["columns"]) == 10_000
        shown = client.get(f"{DATASETS}/{made['id']}/preview", headers=headers()).json
        assert shown["rows"][2]["c9999"] == 1
        profile = client.get(f"{DATASETS}/{made['id']}/profile", headers=headers()).json
        assert len(profile["column_profiles"]) == profile["columns"] == 10_000

    def test_nan_and_infinity_come_back_as_null(self, client, headers, upload):
        made = upload(parquet_of(pd.DataFrame({"x": [1.5, float("nan"), float("inf"), -float("inf")]}))).json
        shown = client.get(f"{DATASETS}/{made['id']}/preview", headers=headers())
        assert shown.json["rows"] == [{"x": 1.5}, {"x": None}, {"x": None}, {"x": None}]
        column = client.get(f"{DATASETS}/{made['id']}/profile", headers=headers()).json["column_profiles"][0]
        assert (column["missing"], column["min"], column["max"], column["std"]) == (3, 1.5, 1.5, None)

    def test_column_names_of_any_script(self, client, headers, upload):
        made = upload('"the ""name""",naïve 🚚,<b>\n1,x,y\n2,x,z\n'.encode()).json
        shown = client.get(f"{DATASETS}/{made['id']}/preview?limit=1", headers=headers()).json
        assert shown["rows"] == [{'the "name"': 1, "naïve 🚚": "x", "<b>": "y"}]


class TestLooking:
    @pytest.fixture
    def dataset(self, open_stores):
        with open_stores() as stores:
            return make_dataset(stores)

    def test_a_preview_shows_the_first_rows(self, client, headers, dataset):
        shown = client.get(f"{DATASETS}/{dataset.id}/preview?limit=3", headers=headers()).json
        assert set(shown) == {"dataset_id", "total_rows", "columns", "rows"}
        assert (shown["dataset_id"], shown["total_rows"]) == (dataset.id, 60)
        assert shown["rows"] == json.loads(parcels().head(3).to_json(orient="records"))
        assert shown["columns"][1] == {"name": "weight_kg", "type": "number"}
        assert len(client.get(f"{DATASETS}/{dataset.id}/preview", headers=headers()).json["rows"]) == 20
        assert len(client.get(f"{DATASETS}/{dataset.id}/preview?limit=200", headers=headers()).json["rows"]) == 60

    @pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5"])
    def test_a_preview_has_bounds(self, client, headers, dataset, limit):
        response = client.get(f"{DATASETS}/{dataset.id}/preview?limit={limit}", headers=headers())
        assert (response.status_code, response.json["code"]) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json["errors"]] == ["limit"]

    def test_a_profile_tells_of_each_column(self, client, headers, dataset):
        told = client.get(f"{DATASETS}/{dataset.id}/profile", headers=headers()).json
        assert set(told) == {"dataset_id", "rows", "columns", "column_profiles", "warnings"}
        columns = {column["name"]: column for column in told["column_profiles"]}
        weight, frame = columns["weight_kg"], parcels()
        assert weight["missing"] == int(frame["weight_kg"].isna().sum())
        assert weight["mean"] == pytest.approx(frame["weight_kg"].mean())
        assert weight["quantiles"]["0.5"] == pytest.approx(frame["weight_kg"].median())
        assert sum(weight["histogram"]["counts"]) == 60 - weight["missing"]
        assert "top_values" not in weight
        assert columns["late"]["top_values"] == [{"value": "late", "count": 30}, {"value": "on_time", "count": 30}]
        assert columns["late"]["histogram"] is None
        assert "mean" not in columns["late"]

    def test_leaks_are_told_of_a_named_target_only(self, client, headers, upload):
        made = upload(csv_of(parcels(400).assign(copy=lambda frame: frame["late"]))).json
        place = f"{DATASETS}/{made['id']}/profile"
        silent = client.get(place, headers=headers()).json["warnings"]
        for _ in ("computed", "kept"):
            told = client.get(f"{place}?target_column=late", headers=headers()).json["warnings"]
            assert "copy" in {warning["column"] for warning in told if warning["code"] == "leaking"}
        assert "leaking" not in {warning["code"] for warning in silent}
        assert client.get(place, headers=headers()).json["warnings"] == silent

    @pytest.mark.parametrize("column", ["nope", ""])
    def test_an_unknown_target_is_refused(self, client, headers, dataset, column):
        response = client.get(f"{DATASETS}/{dataset.id}/profile?target_column={column}", headers=headers())
        assert (response.status_code, response.json["code"]) == (422, "unknown_column")
        assert response.json["errors"][0]["pointer"] == "target_column"


class TestListing:
    @pytest.fixture
    def three(self, open_stores, clock):
        made = {}
        for name, rows, description in (("Beta", 30, "of Spring"), ("alpha", 10, ""), ("Gamma 100%", 20, "spring")):
            clock.advance(seconds=1)
            with open_stores() as stores:
                made[name] = make_dataset(
                    stores, parcels(rows), name=name, description=description,
                    search_text=f"{name}\n{description}".casefold(),
                )  # fmt: skip
        return made

    def names(self, client, headers, query=""):
        answer = client.get(f"{DATASETS}{query}", headers=headers()).json
        assert set(answer) == {"total", "page", "page_size", "results"}
        return [item["name"] for item in answer["results"]]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", ["Gamma 100%", "alpha", "Beta"]),
            ("?sort_order=asc", ["Beta", "alpha", "Gamma 100%"]),
            ("?sort_by=rows", ["Beta", "Gamma 100%", "alpha"]),
            ("?sort_by=rows&sort_order=asc&page_size=1&page=2", ["Gamma 100%"]),
            ("?page=9", []),
            ("?search=SPRING", ["Gamma 100%", "Beta"]),
            ("?search=spring%20gamma", ["Gamma 100%"]),
            ("?search=100%25", ["Gamma 100%"]),
            ("?search=_", []),
        ],
    )
    def test_search_order_and_pages(self, client, headers, three, query, names):
        assert self.names(client, headers, query) == names

    @pytest.mark.parametrize("query", ["sort_by=id", "sort_order=up", "page=0", "page_size=101", "search="])
    def test_what_is_out_of_bounds_is_refused(self, client, headers, query):
        response = client.get(f"{DATASETS}?{query}", headers=headers())
        assert (response.status_code, response.json["code"]) == (422, "validation_failed")

    def test_links_are_counted(self, client, headers, open_stores, three):
        with open_stores() as stores:
            make_model(stores, "One", dataset=three["Beta"])
            make_model(stores, "Two", dataset=three["Beta"])
        counts = {
            item["name"]: item["linked_models"] for item in client.get(DATASETS, headers=headers()).json["results"]
        }
        assert counts == {"Beta": 2, "alpha": 0, "Gamma 100%": 0}
        one = client.get(f"{DATASETS}/{three['Beta'].id}", headers=headers()).json
        assert one["linked_models"] == 2

    def test_an_organization_sees_its_own(self, client, headers, three):
        assert client.get(DATASETS, headers=headers("globex")).json["total"] == 0


class TestDeletion:
    @pytest.fixture
    def dataset(self, open_stores):
        with open_stores() as stores:
            return make_dataset(stores)

    def test_it_is_gone_and_told(self, client, headers, dataset):
        place = f"{DATASETS}/{dataset.id}"
        assert client.delete(place, headers=headers()).status_code == 204
        for path in (place, f"{place}/preview", f"{place}/profile"):
            assert client.get(path, headers=headers()).json["code"] == "dataset_not_found"
        assert client.delete(place, headers=headers()).status_code == 404
        assert client.get(DATASETS, headers=headers()).json["total"] == 0
        entry = client.get("/api/v1/models/audit-logs", headers=headers()).json["results"][0]
        assert entry["action"] == "dataset.deleted"
        assert entry["details"]["dataset_id"] == dataset.id

    def test_if_match_guards_it(self, client, headers, dataset):
        place = f"{DATASETS}/{dataset.id}"
        etag = client.get(place, headers=headers()).headers["ETag"]
        refused = client.delete(place, headers={**headers(), "If-Match": '"other"'})
        assert (refused.status_code, refused.json["code"]) == (412, "precondition_failed")
        assert client.delete(place, headers={**headers(), "If-Match": etag}).status_code == 204

    def test_a_linked_one_stays(self, client, headers, open_stores, dataset):
        with open_stores() as stores:
            make_model(stores, dataset=dataset)
        response = client.delete(f"{DATASETS}/{dataset.id}", headers=headers())
        assert (response.status_code, response.json["code"]) == (409, "dataset_linked")
        assert client.get(f"{DATASETS}/{dataset.id}", headers=headers()).status_code == 200


class TestWhoMay:
    @pytest.fixture
    def dataset(self, open_stores):
        with open_stores() as stores:
            return make_dataset(stores)

    def calls(self, client, dataset, sent):
        place = f"{DATASETS}/{dataset.id}"
        reads = [client.get(path, headers=sent) for path in (DATASETS, place, f"{place}/preview", f"{place}/profile")]
        writes = [client.delete(place, headers=sent), client.post(DATASETS, headers=sent, data=form())]
        return [r.status_code for r in reads], [r.status_code for r in writes]

    @pytest.mark.parametrize(
        ("permissions", "reads", "writes"),
        [
            (["model:read", "model:write", "organization:viewer"], [403] * 4, [403, 403]),
            (["dataset:read"], [200] * 4, [403, 403]),
            (["dataset:write"], [403] * 4, [204, 201]),
        ],
    )
    def test_permissions(self, client, headers, dataset, permissions, reads, writes):
        sent = headers(user="user-2", permissions=permissions)
        assert self.calls(client, dataset, sent) == (reads, writes)

    def test_nobody_without_a_token(self, client, dataset):
        assert self.calls(client, dataset, {}) == ([401] * 4, [401, 401])

    def test_another_organization_is_told_nothing(self, client, headers, dataset):
        reads, writes = self.calls(client, dataset, headers("globex"))
        assert (reads, writes) == ([200, 404, 404, 404], [404, 201])
        assert client.get(f"{DATASETS}/{dataset.id}", headers=headers()).status_code == 200

    @pytest.mark.parametrize("dataset_id", ["ds-00000000", "ds-XYZ", "mdl-00000000", "%2e%2e"])
    def test_an_unknown_id_is_not_found(self, client, headers, dataset_id):
        for path in (dataset_id, f"{dataset_id}/preview", f"{dataset_id}/profile"):
            response = client.get(f"{DATASETS}/{path}", headers=headers())
            assert (response.status_code, response.json["code"]) == (404, "dataset_not_found")


def test_a_part_that_fails_after_the_parsing_leaves_nothing(config, clock, headers):
    """The file store gives way in the middle of the second file."""
    runtime = Runtime(config, clock=clock)

    class GivesWay(type(runtime.files)):
        def put(self, key, chunks):
            if key.endswith("table.parquet"):
                chunks = (1 / 0 for _ in chunks)
            return super().put(key, chunks)

    runtime.files = GivesWay(runtime.files.root)
    client = create_app(config, runtime).test_client()
    assert client.post(DATASETS, headers=headers(), data=form()).status_code == 500
    assert files_left(runtime) == []
    assert client.get(DATASETS, headers=headers()).json["total"] == 0
