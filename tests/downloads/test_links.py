"""Signed links: what they hand out, to whom, for how long, and what no change of them reaches."""

import hashlib
import time
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from studio.backends.files.local_files import LocalFiles
from studio.backends.files.s3_files import S3Files
from studio.config import BadConfig, Config
from studio.downloads import service as downloads

CONTENT = b"a model" * 100_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
KEY = "mdl-1/v1/model.pkl"


@pytest.fixture
def link(open_stores):
    """Makes a link to a file, which is put into the store first."""

    def make(key=KEY, content=CONTENT, *, filename="m.pkl", lifetime_s=60):
        with open_stores() as stores:
            file = stores.files.put(key, [content])
            return downloads.link_to(stores, file, filename=filename, lifetime_s=lifetime_s)

    return make


def refusal(answer):
    return answer.status_code, answer.json["code"]


def path_of(link):
    return urlsplit(link.url).path


def test_a_link_hands_the_file_out_to_whoever_has_it(client, link, config):
    made = link()
    assert made.url.startswith(f"{config.public_url}/api/v1/models/downloads/")

    answer = client.get(path_of(made))

    assert (answer.status_code, answer.data) == (200, CONTENT)
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Content-Disposition"] == "attachment; filename=m.pkl"
    assert answer.headers["ETag"] == f'"{DIGEST}"'
    assert answer.mimetype == "application/octet-stream"


def test_who_has_the_file_already_is_told_so(client, link):
    answer = client.get(path_of(link()), headers={"If-None-Match": f'"{DIGEST}"'})
    assert (answer.status_code, answer.data) == (304, b"")


def test_an_empty_file_is_a_file(client, link):
    answer = client.get(path_of(link(content=b"")))
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", "0")


def test_a_link_works_until_its_time_is_over(client, link, clock):
    made = link(lifetime_s=60)
    clock.advance(seconds=59)
    assert client.get(path_of(made)).status_code == 200
    clock.advance(seconds=1)
    assert refusal(client.get(path_of(made))) == (403, "link_expired")


def test_no_change_of_a_link_reaches_anything(client, link):
    path = path_of(link())
    base, token = path.rsplit("/", 1)
    for place, sign in enumerate(token):
        for other in {"A", "b", "_"} - {sign}:
            changed = f"{token[:place]}{other}{token[place + 1 :]}"
            assert client.get(f"{base}/{changed}").status_code == 403, place
    for changed in (token[:-1], f"{token}A", f"{token}=", token.split(".")[0], ".", "é", f".{token}", token.upper()):
        assert refusal(client.get(f"{base}/{changed}")) == (403, "link_invalid")


def test_a_token_of_another_secret_is_refused(client, link, config):
    from pydantic import SecretStr

    from studio.downloads.service.links import LinkedFile, _make_token

    link()
    foreign = config.model_copy(update={"signing_secret": SecretStr("another secret that is long enough, too")})
    token = _make_token(foreign, LinkedFile(KEY, "m.pkl", DIGEST, 1 << 40))
    assert refusal(client.get(f"/api/v1/models/downloads/{token}")) == (403, "link_invalid")


def test_a_file_that_was_deleted_is_not_found(client, link, open_stores):
    made = link()
    with open_stores() as stores:
        stores.files.delete(KEY)
    assert refusal(client.get(path_of(made))) == (404, "artifact_not_found")


def test_a_file_that_was_replaced_is_not_handed_out(client, link, open_stores, caplog):
    made = link()
    with open_stores() as stores:
        stores.files.put(KEY, [CONTENT[:-1] + b"!"])
    assert refusal(client.get(path_of(made))) == (404, "artifact_not_found")
    assert [record.event for record in caplog.records if record.name == "studio.security"] == ["artifact_changed"]


@pytest.fixture
def s3_stores(s3_server, open_stores):
    """Stores whose files lie in a real S3."""
    with open_stores() as stores:
        keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}
        files = S3Files(s3_server.new_bucket(), "studio", endpoint_url=s3_server.endpoint_url, **keys)
        yield replace(stores, files=files)


@pytest.mark.slow
def test_s3_hands_its_files_out_itself(s3_stores, s3_server):
    file = s3_stores.files.put(KEY, [CONTENT])
    made = downloads.link_to(s3_stores, file, filename="mdl-1-v1.pkl", lifetime_s=60)

    answer = httpx.get(made.url)

    assert made.url.startswith(s3_server.endpoint_url)
    assert s3_server.secret_key not in made.url
    assert (answer.status_code, hashlib.sha256(answer.content).hexdigest()) == (200, file.sha256)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="mdl-1-v1.pkl"'
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert httpx.get(made.url.replace("model.pkl", "other.pkl")).status_code == 403
    assert httpx.get(made.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).status_code == 403


@pytest.mark.slow
def test_a_link_is_for_the_address_that_clients_reach(open_stores, s3_server):
    public = s3_server.endpoint_url.replace("127.0.0.1", "localhost")
    keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}
    bucket = s3_server.new_bucket()
    files = S3Files(bucket, endpoint_url=s3_server.endpoint_url, public_url=public, **keys)
    with open_stores() as opened:
        made = downloads.link_to(
            replace(opened, files=files), files.put(KEY, [CONTENT]), filename="m.pkl", lifetime_s=60
        )

    assert made.url.startswith(f"{public}/{bucket}/{KEY}?")
    assert hashlib.sha256(httpx.get(made.url).content).hexdigest() == DIGEST
    assert httpx.get(made.url.replace(public, s3_server.endpoint_url)).status_code == 403  # it signs the host


@pytest.mark.parametrize(
    "url", ["files.example.org", "ftp://files.example.org", "https://", "https://x.org/s3", "https://x.org?a"]
)
def test_a_public_address_is_a_host(url, tmp_path):
    with pytest.raises(BadConfig, match=r"(?i)s3_public_url"):
        Config.load(data_folder=tmp_path, s3_public_url=url)
    assert Config.load(data_folder=tmp_path, s3_public_url="https://x.org:9000/").s3_public_url == "https://x.org:9000"


@pytest.mark.slow
def test_s3_honours_the_end_of_a_link(s3_stores):
    file = s3_stores.files.put(KEY, [CONTENT])
    made = downloads.link_to(s3_stores, file, filename="m.pkl", lifetime_s=1)
    deadline = time.monotonic() + 30
    while httpx.get(made.url).status_code == 200:
        assert time.monotonic() < deadline
    assert httpx.get(made.url).status_code == 403


def test_a_folder_has_no_address_of_its_own(tmp_path):
    assert LocalFiles(tmp_path).presign(KEY, filename="m.pkl", lifetime_s=60) is None
