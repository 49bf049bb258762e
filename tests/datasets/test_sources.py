"""Tables taken from files, S3 objects and queries: only what the settings allow, and never with credentials told."""

import gzip
import io

import pytest

from studio.app import create_app
from studio.config import BadConfig, Config
from studio.runtime import Runtime
from tests.factories import csv_of, parcels
from tests.services import free_ports

DATASETS = "/api/v1/models/datasets"
PASSWORD = "a password nobody may see"


@pytest.fixture
def allowed():
    """Settings of the test's installation; a test adds its own before it takes ``take``."""
    return {}


@pytest.fixture
def take(config, allowed, clock, headers):
    """Asks for a table from a source; ``take.client`` looks at what came of it."""
    settings = config.model_copy(update=allowed)
    runtime = Runtime(settings, clock=clock)
    client = create_app(settings, runtime).test_client()

    def ask(type_, uri, *, org="acme", **source):
        source = {"type": type_, "uri": uri, **source}
        return client.post(DATASETS, headers=headers(org), json={"name": "Taken", "source": source})

    ask.client = client
    yield ask
    assert list((settings.data_folder / "uploads").glob("*")) == []
    runtime.database.close()


@pytest.fixture
def refused(take, headers):
    def check(code, *source, status=422, **more):
        response = take(*source, **more)
        assert (response.status_code, response.json["code"]) == (status, code), response.json
        assert PASSWORD not in response.text
        assert take.client.get(DATASETS, headers=headers(more.get("org", "acme"))).json["total"] == 0
        return response.json

    return check


def write_credentials(folder, text):
    path = folder / "sources.toml"
    path.write_text(text)
    return path


class TestShape:
    @pytest.mark.parametrize(
        ("source", "pointers"),
        [
            ({}, ["/source/type", "/source/uri"]),
            ({"type": "upload", "uri": "x"}, ["/source/type"]),
            ({"type": "ftp", "uri": "x"}, ["/source/type"]),
            ({"type": "sql", "uri": "postgresql://h/d"}, ["/source/query", "/source/credentials_ref"]),
            ({"type": "file", "uri": "file:///x", "query": "SELECT 1"}, ["/source/query"]),
            ({"type": "file", "uri": "file:///x", "password": "x"}, ["/source/password"]),
        ],
    )
    def test_what_is_wrong_is_named(self, client, headers, source, pointers):
        response = client.post(DATASETS, headers=headers(), json={"name": "x", "source": source})
        assert (response.status_code, response.json["code"]) == (422, "validation_failed")
        assert sorted(error["pointer"] for error in response.json["errors"]) == sorted(pointers)

    def test_name_and_source_are_needed(self, client, headers):
        response = client.post(DATASETS, headers=headers(), json={})
        assert [error["pointer"] for error in response.json["errors"]] == ["/name", "/source"]

    @pytest.mark.parametrize(
        "source",
        [
            {"type": "file", "uri": "file:///etc/passwd"},
            {"type": "s3", "uri": "s3://bucket/key"},
            {"type": "sql", "uri": "postgresql://127.0.0.1/db", "query": "SELECT 1", "credentials_ref": "x"},
        ],
    )
    def test_nothing_is_allowed_unless_configured(self, client, headers, source):
        response = client.post(DATASETS, headers=headers(), json={"name": "x", "source": source})
        assert (response.status_code, response.json["code"]) == (422, "source_not_allowed")


class TestSettings:
    def test_lists_stand_in_the_environment_with_commas(self, monkeypatch, tmp_path):
        monkeypatch.setenv("STUDIO_SOURCE_FILE_ROOTS", "/srv/a, /srv/b/{organization},")
        monkeypatch.setenv("STUDIO_SOURCE_SQL_HOSTS", "")
        config = Config.load(data_folder=tmp_path)
        assert config.source_file_roots == ("/srv/a", "/srv/b/{organization}")
        assert config.source_sql_hosts == ()

    def test_a_root_is_absolute(self, monkeypatch):
        monkeypatch.setenv("STUDIO_SOURCE_FILE_ROOTS", "data")
        with pytest.raises(BadConfig, match="SOURCE_FILE_ROOTS"):
            Config.load()

    def test_runs_do_not_see_where_credentials_are(self, config, tmp_path):
        given = config.model_copy(update={"source_credentials_file": tmp_path / "x"})
        assert given.without_secrets().source_credentials_file is None


class TestFiles:
    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "imports"
        root.mkdir()
        (root / "orders 1.csv").write_bytes(csv_of(parcels()))
        (tmp_path / "secret.csv").write_bytes(b"secret\n1\n")
        return root

    @pytest.fixture
    def allowed(self, root, tmp_path):
        return {"source_file_roots": (str(root), str(tmp_path / "of" / "{organization}"))}

    def test_one_below_a_root_is_taken(self, take, headers, root):
        uri = f"file://{root}/orders%201.csv"
        response = take("file", uri)
        assert response.status_code == 201
        assert response.json["source"] == {"type": "file", "uri": uri}
        assert (response.json["name"], response.json["rows"]) == ("Taken", 60)
        details = take.client.get("/api/v1/models/audit-logs", headers=headers()).json["results"][0]["details"]
        assert (details["source_type"], details["source_uri"]) == ("file", uri)

    def test_a_link_may_lead_to_another_place_below_the_root(self, take, root):
        (root / "latest.csv").symlink_to(root / "orders 1.csv")
        assert take("file", f"file://{root}/latest.csv").status_code == 201

    @pytest.mark.parametrize(
        "path", ["{root}/../secret.csv", "{root}/%2e%2e/secret.csv", "{root}/link.csv", "{root}/folder/secret.csv",
                 "/etc/passwd", "{root}2/x.csv", "/proc/self/environ", "{root}/a%00b", "{root}/circle"],
    )  # fmt: skip
    def test_what_lies_elsewhere_is_not_allowed(self, refused, root, path):
        (root / "link.csv").symlink_to(root.parent / "secret.csv")
        (root / "folder").symlink_to(root.parent)
        (root / "circle").symlink_to(root / "circle")
        refused("source_not_allowed", "file", "file://" + path.format(root=root))

    @pytest.mark.parametrize(
        "uri", ["{root}/orders.csv", "http://localhost{root}/orders.csv", "file://host{root}/orders.csv",
                "file://user:pw@localhost{root}/orders.csv", "file://{root}/orders.csv?x=1"],
    )  # fmt: skip
    def test_only_a_plain_file_uri_is_taken(self, refused, root, uri):
        refused("source_not_allowed", "file", uri.format(root=root))

    def test_what_is_not_there_is_unreachable(self, refused, root):
        refused("source_unreachable", "file", f"file://{root}/nothing.csv")
        refused("source_unreachable", "file", f"file://{root}")

    def test_a_pipe_is_not_waited_for(self, refused, root):
        import os

        os.mkfifo(root / "pipe")
        refused("source_unreachable", "file", f"file://{root}/pipe")

    def test_an_organization_reaches_its_own_root(self, take, refused, tmp_path):
        folder = tmp_path / "of" / "globex"
        folder.mkdir(parents=True)
        (folder / "x.csv").write_bytes(b"a\n1\n")
        refused("source_not_allowed", "file", f"file://{folder}/x.csv")
        assert take("file", f"file://{folder}/x.csv", org="globex").status_code == 201

    def test_bad_content_is_refused_as_in_an_upload(self, refused, root):
        (root / "bad.csv").write_bytes(b"a,b\n1,2,3\n")
        assert refused("dataset_unreadable", "file", f"file://{root}/bad.csv")["line"] == 2

    class TestLimit:
        @pytest.fixture
        def allowed(self, root):
            return {"source_file_roots": (str(root),), "dataset_limit_bytes": 100}

        def test_more_bytes_are_refused(self, refused, root):
            refused("payload_too_large", "file", f"file://{root}/orders%201.csv", status=413)
            (root / "bomb.csv").write_bytes(gzip.compress(b"a\n" + b"1\n" * 1000))
            refused("payload_too_large", "file", f"file://{root}/bomb.csv", status=413)


@pytest.mark.slow
class TestObjects:
    @pytest.fixture
    def bucket(self, s3_server):
        bucket = s3_server.new_bucket()
        sink = io.BytesIO()
        parcels().to_parquet(sink)
        for key, body in (("acme/a b?.parquet", sink.getvalue()), ("globex/x.csv", b"a\n1\n"), ("x.csv", b"a\n1\n")):
            s3_server.client().put_object(Bucket=bucket, Key=key, Body=body)
        return bucket

    @pytest.fixture
    def allowed(self, s3_server, bucket, tmp_path):
        port = free_ports(1)[0]
        text = f"""
            [lake]
            access_key = "{s3_server.access_key}"
            secret_key = "{s3_server.secret_key}"
            endpoint_url = "{s3_server.endpoint_url}"
            [wrong]
            access_key = "{s3_server.access_key}"
            secret_key = "{PASSWORD}"
            endpoint_url = "{s3_server.endpoint_url}"
            [down]
            access_key = "x"
            secret_key = "{PASSWORD}"
            endpoint_url = "http://127.0.0.1:{port}"
            [elsewhere]
            places = ["another-bucket"]
        """
        path = write_credentials(tmp_path, text)
        return {"source_s3_buckets": (f"{bucket}/{{organization}}",), "source_credentials_file": path}

    def test_one_in_an_allowed_bucket_is_taken(self, take, bucket):
        response = take("s3", f"s3://{bucket}/acme/a b?.parquet", credentials_ref="lake")
        assert response.status_code == 201, response.json
        assert (response.json["format"], response.json["rows"]) == ("parquet", 60)
        assert response.json["source"] == {"type": "s3", "uri": f"s3://{bucket}/acme/a b?.parquet"}

    @pytest.mark.parametrize(
        "uri", ["s3://{bucket}/globex/x.csv", "s3://{bucket}/x.csv", "s3://{bucket}", "s3://{bucket}2/acme/x.csv",
                "s3://key:secret@{bucket}/acme/x.csv", "http://{bucket}/acme/x.csv", "{bucket}/acme/x.csv"],
    )  # fmt: skip
    def test_what_lies_elsewhere_is_not_allowed(self, refused, bucket, uri):
        refused("source_not_allowed", "s3", uri.format(bucket=bucket), credentials_ref="lake")

    @pytest.mark.parametrize("name", ["none", "elsewhere"])
    def test_a_credential_set_that_is_not_for_it(self, refused, bucket, name):
        refused("source_not_allowed", "s3", f"s3://{bucket}/acme/x.csv", credentials_ref=name)

    @pytest.mark.parametrize("name", ["lake", "wrong", "down"])
    def test_what_does_not_answer_is_unreachable(self, refused, bucket, name):
        refused("source_unreachable", "s3", f"s3://{bucket}/acme/nothing.csv", credentials_ref=name)

    def test_a_key_that_climbs_is_unreachable(self, refused, bucket):
        refused("source_unreachable", "s3", f"s3://{bucket}/acme/../x.csv", credentials_ref="lake")


class TestQueries:
    @pytest.fixture
    def allowed(self, warehouse, tmp_path):
        port, _ = warehouse
        text = f"""
            [reader]
            user = "reader"
            password = "{PASSWORD}"
            organizations = ["acme"]
            [owner]
            user = "postgres"
            [wrong]
            user = "nobody"
            password = "{PASSWORD}"
        """
        hosts = (f"127.0.0.1:{port}", f"127.0.0.1:{free_ports(1)[0]}", "localhost")
        return {"source_sql_hosts": hosts, "source_credentials_file": write_credentials(tmp_path, text)}

    @pytest.fixture
    def uri(self, warehouse):
        return f"postgresql://127.0.0.1:{warehouse[0]}/{warehouse[1]}"

    def test_the_rows_of_a_select_are_taken(self, take, uri, headers):
        query = "SELECT *, 7 % 4 AS rest FROM parcels WHERE carrier LIKE '%s%' ORDER BY id -- :x"
        response = take("sql", uri, query=query, credentials_ref="owner")
        assert response.status_code == 201, response.json
        made = response.json
        assert made["source"] == {"type": "sql", "uri": uri}
        assert {column["name"]: column["type"] for column in made["columns"]} == {
            "id": "number", "weight": "number", "is_late": "boolean", "sent_at": "datetime", "day": "datetime",
            "took": "number", "carrier": "category", "zip": "category", "extras": "category", "rest": "number",
        }  # fmt: skip
        rows = take.client.get(f"{DATASETS}/{made['id']}/preview", headers=headers()).json["rows"]
        assert rows[0] == {
            "id": 1, "weight": 2.5, "is_late": True, "sent_at": "2026-05-01T08:00:00Z", "day": "2026-05-01T00:00:00Z",
            "took": 90.0, "carrier": "Ansa", "zip": "01067", "extras": '{"a": 1}', "rest": 3,
        }  # fmt: skip
        assert rows[1]["weight"] is None
        assert len(rows) == 2

    @pytest.mark.parametrize(
        "query",
        ["DELETE FROM parcels", "SELECT 1; DELETE FROM parcels", "SELECT 1 INTO x", "EXPLAIN SELECT 1", "x",
         "WITH gone AS (DELETE FROM parcels RETURNING *) SELECT * FROM gone", "SELECT lo_create(0)",
         "SELECT setval('parcels_id_seq', 99)", "SELECT * FROM no_such_table", "COPY parcels TO '/tmp/x'",
         "SELECT * FROM parcels FOR UPDATE", "SELECT set_config('transaction_read_only', 'off', false)"],
    )  # fmt: skip
    def test_only_a_select_that_changes_nothing_is_taken(self, refused, uri, query, warehouse_client):
        problem = refused("validation_failed", "sql", uri, query=query, credentials_ref="owner")
        assert [error["pointer"] for error in problem["errors"]] == ["/source/query"]
        assert warehouse_client.execute("SELECT count(*), max(id) FROM parcels").fetchone() == (3, 3)

    def test_no_rows_and_repeated_columns(self, refused, uri):
        refused("dataset_empty", "sql", uri, query="SELECT * FROM parcels WHERE false", credentials_ref="owner")
        problem = refused("duplicate_columns", "sql", uri, query="SELECT 1 a, 2 a, 3 b", credentials_ref="owner")
        assert [error["pointer"] for error in problem["errors"]] == ["a"]

    @pytest.mark.parametrize(
        "change",
        [("127.0.0.1", "user:pw@127.0.0.1"), ("postgresql:", "mysql:"), ("127.0.0.1", "127.0.0.2"),
         ("127.0.0.1", "127.0.0.1,evil"), ("postgresql://", "postgresql:///")],
    )  # fmt: skip
    def test_what_lies_elsewhere_is_not_allowed(self, refused, uri, change):
        refused("source_not_allowed", "sql", uri.replace(*change), query="SELECT 1", credentials_ref="owner")

    @pytest.mark.parametrize("extra", ["?host=evil", "?hostaddr=10.0.0.1", "#x"])
    def test_parameters_of_the_driver_are_not_taken(self, refused, uri, extra):
        refused("source_not_allowed", "sql", uri + extra, query="SELECT 1", credentials_ref="owner")

    def test_a_credential_set_of_another_organization(self, refused, uri):
        refused("source_not_allowed", "sql", uri, query="SELECT 1", credentials_ref="reader", org="globex")

    def test_what_does_not_answer_is_unreachable(self, refused, uri, allowed):
        refused("source_unreachable", "sql", uri, query="SELECT 1", credentials_ref="wrong")
        refused("source_unreachable", "sql", uri + "x", query="SELECT 1", credentials_ref="owner")
        silent = f"postgresql://{allowed['source_sql_hosts'][1]}/db"
        refused("source_unreachable", "sql", silent, query="SELECT 1", credentials_ref="owner")

    class TestLimit:
        @pytest.fixture
        def allowed(self, allowed):
            return {**allowed, "dataset_limit_bytes": 100_000}

        def test_more_bytes_are_refused(self, refused, uri):
            query = "SELECT a FROM generate_series(1, 1000) a, generate_series(1, 1000000) b"  # never at an end
            refused("payload_too_large", "sql", uri, query=query, credentials_ref="owner", status=413)
