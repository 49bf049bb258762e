"""Which files a version can be had as, who may have them, and what the audit log says of it."""

import hashlib
import io
import zipfile
from urllib.parse import urlsplit

import pytest

from studio.domain.versions import FileFormat, OnnxCheck
from studio.versions import service as versions
from studio.versions.tables import VersionFileRow
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_model_version, add_version, classifier

PICKLED = b"pickled"


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.fixture
def version(open_stores, model, tmp_path):
    """A version with its folder, a pickle and a skops file."""
    (tmp_path / "one").write_bytes(PICKLED)
    (tmp_path / "two").write_bytes(b"skops")
    more = {FileFormat.SKOPS: tmp_path / "two"}
    with open_stores() as stores:
        return add_model_version(stores, model, classifier(), model_file=tmp_path / "one", more_files=more)


@pytest.fixture
def ask(client, headers, model):
    def ask(caller=None, **query):
        path = f"/api/v1/models/{model.id}/download"
        return client.get(path, headers=caller or headers(), query_string=query)

    return ask


@pytest.fixture
def fetch(client, ask):
    """The file of a version."""

    def fetch(**query):
        link = ask(**query).json
        answer = client.get(urlsplit(link["download_url"]).path)
        assert answer.status_code == 200
        assert len(answer.data) == link["file_size_bytes"]
        assert hashlib.sha256(answer.data).hexdigest() == link["sha256"]
        return answer.data

    return fetch


def refusal(answer):
    return answer.status_code, answer.json["code"]


def entries(client, headers, model):
    path = f"/api/v1/models/{model.id}/audit-logs"
    found = client.get(path, headers=headers(), query_string={"action": "model.artifact_downloaded"}).json["results"]
    return [entry["details"] for entry in found]


@pytest.mark.both_databases
def test_a_link_names_the_file_and_is_audited(ask, version, model, clock, client, headers):
    answer = ask(version_id="ver-001", expires_in=60)

    assert answer.status_code == 200
    got = answer.json
    assert got.pop("download_url").startswith("http://127.0.0.1:8321/api/v1/models/downloads/")
    assert got == {
        "model_id": model.id,
        "version_id": "ver-001",
        "format": "pkl",
        "expires_at": clock.advance(seconds=60).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "file_size_bytes": len(PICKLED),
        "sha256": hashlib.sha256(PICKLED).hexdigest(),
    }
    [told] = entries(client, headers, model)
    assert (told["version_id"], told["format"], told["expires_in"]) == ("ver-001", "pkl", 60)


def test_the_promoted_version_is_meant_unless_one_is_named(ask, version, open_stores, model):
    assert refusal(ask()) == (404, "nothing_promoted")
    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")
    assert ask().json["version_id"] == "ver-001"
    assert refusal(ask(version_id="ver-002")) == (404, "version_not_found")


def test_joblib_reads_the_pickle(fetch, ask, version):
    assert fetch(version_id="ver-001", format="joblib") == PICKLED
    assert ask(version_id="ver-001", format="joblib").json["format"] == "joblib"
    assert fetch(version_id="ver-001", format="skops") == b"skops"


@pytest.mark.both_databases
def test_a_zip_is_packed_once_and_kept(fetch, version, open_stores, model):
    content = fetch(version_id="ver-001", format="mlflow")
    assert fetch(version_id="ver-001", format="mlflow") == content
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert {"MLmodel", "model.pkl", "requirements.txt"} <= set(names)
    with open_stores(write=False) as stores:
        assert f"{model.id}/v1/mlflow.zip" in stores.files.list_keys(model.id)
        assert set(versions.list_files(stores, model.id, 1)) == {"pkl", "skops", "mlflow"}


def test_a_docker_context_holds_what_builds_the_image_and_nothing_else(fetch, version):
    archive = zipfile.ZipFile(io.BytesIO(fetch(version_id="ver-001", format="docker-context")))
    assert {name for name in archive.namelist() if not name.startswith("model/")} == {
        ".dockerignore", "Dockerfile", "README.md", "requirements.txt",
    }  # fmt: skip
    assert archive.read("requirements.txt") == archive.read("model/requirements.txt")
    made = archive.read("Dockerfile").decode()
    assert made.count("\nFROM ") + made.startswith("FROM ") == 1
    assert "FROM python:3.11-slim" in made
    assert "USER 10001" in made


@pytest.fixture
def add_exported(open_stores, model, tmp_path):
    """A version whose run was asked for an ONNX file, with what became of it."""

    def add(check):
        for name in ("pickle", "onnx"):
            (tmp_path / name).write_bytes(name.encode())
        more = {FileFormat.ONNX: tmp_path / "onnx"} if check.passed else {}
        facts = {"model_file": tmp_path / "pickle", "more_files": more, "onnx": check}
        with open_stores() as stores:
            return add_model_version(stores, model, classifier(), **facts)

    return add


def test_an_onnx_file_is_had_as_the_others_are(add_exported, fetch, client, ask, model):
    add_exported(OnnxCheck(True, None, 2.2e-16, 1e-5, 40))
    assert fetch(version_id="ver-001", format="onnx") == b"onnx"
    answer = client.get(urlsplit(ask(version_id="ver-001", format="onnx").json["download_url"]).path)
    assert answer.headers["Content-Disposition"] == f"attachment; filename={model.id}-v1.onnx"
    assert answer.mimetype == "application/octet-stream"


def test_an_onnx_file_that_was_refused_says_why(add_exported, ask):
    add_exported(OnnxCheck(False, "it cannot be converted: the words of the text column 'note'", None, None, None))
    answer = ask(version_id="ver-001", format="onnx")
    assert refusal(answer) == (422, "format_not_available")
    assert answer.json["detail"] == (
        "Version ver-001 cannot be had as onnx: it cannot be converted: the words of the text column 'note'; "
        "available: pkl, joblib, mlflow, docker-context."
    )


def test_an_onnx_file_that_nobody_asked_for_is_told_how_to_ask(ask, version):
    told = ask(version_id="ver-001", format="onnx").json["detail"]
    assert "onnx: its training was not asked for one, with export_onnx; available: pkl" in told


def test_a_format_that_is_not_there_is_refused_with_those_that_are(ask, version, client, headers, model):
    answer = ask(version_id="ver-001", format="onnx")
    assert refusal(answer) == (422, "format_not_available")
    assert answer.json["available"] == ["pkl", "joblib", "skops", "mlflow", "docker-context"]
    assert entries(client, headers, model) == []


def test_a_version_without_files_offers_none(ask, open_stores, model):
    with open_stores() as stores:
        add_version(stores, model)
    answer = ask(version_id="ver-001", format="mlflow")
    assert refusal(answer) == (422, "format_not_available")
    assert answer.json["available"] == []


def test_a_client_s_version_can_be_had_as_its_folder(ask, fetch, version, runtime, model):
    with runtime.connection.bound("acme") as connected:
        source = connected.get_model_version(model.name, "1").source
    assert add_by_client(runtime, model, source) == 2

    assert zipfile.ZipFile(io.BytesIO(fetch(version_id="ver-002", format="mlflow"))).testzip() is None
    answer = ask(version_id="ver-002")
    assert answer.json["available"] == ["mlflow", "docker-context"]


def test_requirements_that_are_not_pinned_build_no_image():
    from studio.downloads.service.packing import _is_pinned

    assert _is_pinned(b"mlflow==3.17.2\n# why\nnumpy==2.4.6\npsycopg[binary]==3.2.1\n")
    for line in ("numpy", "numpy>=2", "-e .", "--index-url http://x", "a @ http://x/a.whl", "a==1.*", "a==1 ; x", ""):
        assert not _is_pinned(line.encode())
    assert not _is_pinned(b"\xff")


@pytest.mark.parametrize(
    ("told", "wanted"),
    [("python: 3.12.1", "3.12"), ("python: '3.9'", "3.9"), ("python: |\n  3.11\n  RUN x", "3.11"), ("[]", "3.11")],
)
def test_nothing_but_a_version_reaches_the_dockerfile(tmp_path, told, wanted):
    from studio.downloads.service.packing import _python_of

    (tmp_path / "python_env.yaml").write_text(told)
    assert _python_of(tmp_path / "python_env.yaml") == wanted


def test_a_folder_that_was_changed_is_not_packed(ask, version, open_stores, model):
    with open_stores(write=False) as stores:
        folder = stores.registry.storage_address(model.name, 1)
    with open(f"{folder}/model.pkl", "ab") as file:
        file.write(b"!")
    with open_stores() as stores:
        digested = versions.find_version(stores, model.id, "ver-001").digest
    assert digested is not None
    assert refusal(ask(version_id="ver-001", format="mlflow")) == (500, "model_files_changed")


def test_nor_is_that_of_a_clients_version(ask, version, runtime, open_stores, model):
    with runtime.connection.bound("acme") as connected:
        source = connected.get_model_version(model.name, "1").source
    add_by_client(runtime, model, source)
    with open_stores(write=False) as stores:
        versions.reconcile(stores, stores.registry.list_entries())
        folder = stores.registry.storage_address(model.name, 2)
    assert ask(version_id="ver-002", format="mlflow").status_code == 200
    with open(f"{folder}/model.pkl", "ab") as file:
        file.write(b"!")
    assert refusal(ask(version_id="ver-002", format="docker-context")) == (500, "model_files_changed")


def test_a_folder_beyond_the_limit_is_not_packed(ask, version, monkeypatch):
    monkeypatch.setattr("studio.downloads.service.packing.LIMIT_BYTES", 10)
    answer = ask(version_id="ver-001", format="mlflow")
    assert answer.json["available"] == ["pkl", "joblib", "skops"]


def test_a_pickle_from_before_hashes_is_measured(fetch, version, open_stores, model):
    with open_stores() as stores:
        stores.db.delete(stores.db.get(VersionFileRow, (model.id, 1, "pkl")))
    assert fetch(version_id="ver-001") == PICKLED


def test_deleting_a_version_ends_its_links(ask, version, client, headers, open_stores, model):
    path = urlsplit(ask(version_id="ver-001").json["download_url"]).path
    assert client.delete(f"/api/v1/models/{model.id}/versions/ver-001", headers=headers()).status_code == 204
    assert refusal(client.get(path)) == (404, "artifact_not_found")
    with open_stores(write=False) as stores:
        assert versions.list_files(stores, model.id, 1) == {}


@pytest.mark.parametrize("query", [{"format": "exe"}, {"expires_in": 0}, {"expires_in": 86401}, {"expires_in": "x"}])
def test_a_wrong_parameter_is_refused(ask, version, query):
    assert refusal(ask(version_id="ver-001", **query)) == (422, "validation_failed")


def test_a_link_works_for_an_hour_unless_told_otherwise(ask, version, clock):
    told = ask(version_id="ver-001").json["expires_at"]
    assert told == clock.advance(seconds=3600).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_bounds_of_the_lifetime_are_taken(ask, version):
    for seconds in (1, 86400):
        assert ask(version_id="ver-001", expires_in=seconds).status_code == 200


def test_who_may_have_a_model(ask, version, client, headers, model):
    assert client.get(f"/api/v1/models/{model.id}/download").status_code == 401
    assert refusal(ask(headers(org="other"), version_id="ver-001")) == (404, "model_not_found")
    assert refusal(ask(headers(user="user-2", permissions=["model:write"]))) == (403, "forbidden")
    assert ask(headers(user="user-3", permissions=["model:read"]), version_id="ver-001").status_code == 200
