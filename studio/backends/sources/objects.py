"""Objects in the buckets an administrator opened."""

from pathlib import Path

from studio.backends.files.s3_files import S3Files
from studio.backends.sources.credentials import Credentials, find_credentials
from studio.backends.sources.refusals import not_allowed, too_large, unreachable
from studio.config import Config
from studio.errors import BackendDown, BadKey, FileMissing


def download_object(config: Config, organization: str, uri: str, credentials_ref: str | None, target: Path) -> None:
    """Copy an object to a local file.

    Args:
        config: The settings.
        organization: Who asks.
        uri: ``s3://bucket/key``.
        credentials_ref: Name of a credential set; None for what the service itself uses.
        target: Where the copy goes.

    Raises:
        SourceNotAllowed: It is not such a URI, or not in an allowed bucket.
        SourceUnreachable: There is no such object, or the store does not answer.
        TooLarge: It has more bytes than a dataset may.
    """
    bucket, key = _parse(uri)
    allowed = [entry.replace("{organization}", organization).strip("/") for entry in config.source_s3_buckets]
    if not any(entry == bucket or f"{bucket}/{key}".startswith(f"{entry}/") for entry in allowed):
        raise not_allowed("This bucket is not open for imports.")
    credentials = Credentials(endpoint_url=config.s3_endpoint_url, region=config.s3_region)
    if credentials_ref is not None:
        credentials = find_credentials(
            config.source_credentials_file, credentials_ref, organization=organization, place=bucket
        )
    store = S3Files(
        bucket,
        endpoint_url=credentials.endpoint_url,
        region=credentials.region,
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        attempts=2,
    )
    try:
        if store.size_bytes(key) > config.dataset_limit_bytes:
            raise too_large(config.dataset_limit_bytes)
        store.fetch(key, target)
    except (FileMissing, BadKey) as error:
        raise unreachable("There is no object at this address.") from error
    except BackendDown as error:
        raise unreachable("The object store does not answer, or refuses the credentials.") from error


def _parse(uri: str) -> tuple[str, str]:
    scheme, mark, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not mark or not bucket or not key or "@" in bucket or ":" in bucket:
        raise not_allowed("An object is named as s3://bucket/key, without credentials.")
    return bucket, key
