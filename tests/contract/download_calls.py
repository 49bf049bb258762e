"""Calls of the operations that hand files out."""

from studio.downloads import service as downloads
from tests.contract.calls import Call, on, prepares


@prepares("download.link", training=True)
def download_link(place):
    return Call(on(place.trained().model_id).path, query={"format": "pkl", "expires_in": 60})


@prepares("download.fetch")
def download_fetch(place):
    with place.open() as stores:
        file = stores.files.put(f"contract/{place.name('file').replace(' ', '-')}", [b"content"])
        link = downloads.link_to(stores, file, filename="content.bin", lifetime_s=60)
    return Call(path={"token": link.url.rpartition("/")[2]})
