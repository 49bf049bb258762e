"""Every setting of the service, typed and documented; the only reader and writer of the process environment.

A setting comes, in this order, from ``STUDIO_<NAME>`` in the environment, from the TOML file that ``STUDIO_CONFIG``
names, and from the defaults below, which are the embedded default: one machine, SQLite, local files, one data folder.
"""

import base64
import contextlib
import hashlib
import ipaddress
import os
import secrets
import tempfile
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_FILE = Path(__file__).resolve().parent.parent / "config" / "default.toml"
PREFIX = "STUDIO_"
ALGORITHMS = ("HS256", "RS256", "ES256")
MIN_SECRET_BYTES = 32
MIN_WEBHOOK_KEY_BYTES = 24
SECRETS = (
    "SIGNING_SECRET",
    "METRICS_TOKEN",
    "SMTP_PASSWORD",
    "NOTIFICATION_WEBHOOK_SECRET",
    "NOTIFICATION_WEBHOOK_URL",
)


class BadConfig(Exception):
    """A setting is wrong; the message names it and says what would be right."""


class Config(BaseSettings):
    """All settings, one documented field each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, validate_default=True)

    # Where things are.
    data_folder: Path = Field(Path("data"), description="Folder of everything the embedded default keeps.")
    database_url: str = Field("", description="SQLAlchemy URL of the own tables; empty: SQLite in the data folder.")
    mlflow_database_url: str = Field(
        "",
        description="URL of MLflow's tables; empty: a second SQLite file, or the same database on PostgreSQL.",
    )
    artifact_root: str = Field(
        "", description="Folder or s3://bucket/prefix of all files; empty: a folder in the data folder."
    )
    s3_endpoint_url: str | None = Field(None, description="Address of an S3 other than Amazon's.")
    s3_public_url: str | None = Field(
        None, description="Address of that S3 as clients reach it, for download links; empty: the same."
    )
    s3_region: str | None = Field(None, description="Region of the bucket, where the S3 in use wants one.")
    runtime_folder: Path = Field(
        Path(),
        description="Short path for local sockets; empty: a folder of the user's in the temporary folder.",
    )

    # How it answers.
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8321, ge=0, le=65535, description="Port the API listens on.")
    public_url: str = Field("", description="Address clients see, for links; empty: made from host and port.")
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Reverse proxies before it: so many values of X-Forwarded-For, -Proto and -Host are believed.",
    )
    api_workers: int = Field(2, ge=1, le=64, description="gunicorn processes of the API.")
    api_threads: int = Field(64, ge=2, le=1024, description="Threads per gunicorn process; a socket holds none.")
    metrics_token: SecretStr | None = Field(None, description="Bearer that /metrics asks for; empty: none.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    # Tokens.
    signing_secret: SecretStr = Field(
        SecretStr(""),
        description="Key of HS256 tokens, links and cookies; empty: made once, kept in the data folder.",
    )
    token_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        ("HS256",), description="Signatures that are accepted, of HS256, RS256 and ES256."
    )
    token_public_key: str | None = Field(None, description="PEM public key for RS256 or ES256.")
    token_jwks_url: str | None = Field(None, description="Address of the key set for RS256 or ES256.")
    token_issuer: str = Field("model-studio", min_length=1, description="Expected `iss`.")
    token_audience: str = Field("model-studio", min_length=1, description="Expected `aud`.")
    refresh_token_lifetime_s: int = Field(
        86400, ge=60, le=31_536_000, description="Life of a refresh token, in seconds."
    )
    token_lifetime_s: int = Field(900, ge=60, le=86400, description="Life of tokens issued here, in seconds.")

    # Limits.
    sign_in_limit_per_minute: int = Field(
        20, ge=1, description="Sign-ins per client address and minute, on one machine."
    )
    rate_limit_per_minute: int = Field(1200, ge=1, description="Calls per caller and minute, on one machine.")
    sockets_per_caller: int = Field(50, ge=1, description="Open sockets per caller, on one machine.")
    queue_limit: int = Field(100, ge=1, description="Queued runs and batch predictions per organization.")
    dataset_limit_bytes: int = Field(2 << 30, ge=1, description="Largest dataset, received and decompressed.")

    # Where datasets may be taken from; nothing unless named here.
    source_file_roots: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Folders whose files may become datasets; {organization} in one stands for the caller's."
    )
    source_s3_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Buckets, or bucket/prefix, whose objects may; {organization} as above."
    )
    source_sql_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="PostgreSQL servers that may be queried: host, or host:port where it is not 5432."
    )
    source_credentials_file: Path | None = Field(
        None, description="TOML file of the credential sets for the last two; a table for each, see the default file."
    )

    # Who is told of what happens.
    smtp_host: str = Field("", description="Mail server; empty: no mail is sent.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="How it is spoken to.")
    smtp_user: str = Field("", description="Name to log in with; empty: no login.")
    smtp_password: SecretStr | None = Field(None, description="Password of that name.")
    smtp_sender: str = Field("", description="Address mail comes from; needed with smtp_host.")
    notification_webhook_url: str = Field("", description="Address that is told too; empty: none.")
    notification_webhook_secret: SecretStr | None = Field(
        None, description="Signs what is sent there: whsec_ and base64, as Standard Webhooks says; needed with it."
    )
    notification_private_addresses: bool = Field(
        False, description="Whether that address may be of a private network or this machine."
    )

    # The worker.
    concurrent_runs: int = Field(1, ge=1, le=64, description="Runs a worker trains at once.")
    run_threads: int = Field(0, ge=0, le=256, description="Cores per run; 0: all of the machine, shared fairly.")
    run_memory_mb: int = Field(0, ge=0, description="Memory cap per run in MB; 0: three quarters of the machine.")
    max_hosts: int = Field(8, ge=1, le=256, description="Model hosts without a deployment; the least used goes first.")
    host_idle_s: int = Field(600, ge=10, description="Seconds without a call after which one of these ends.")
    host_memory_mb: int = Field(0, ge=0, description="MB beyond which the least used sleep; 0: half of the machine.")
    predict_timeout_s: float = Field(30.0, gt=0, le=600, description="Longest wait for a model host, in seconds.")
    audit_retention_days: int = Field(2555, ge=1, description="Age in days at which audit entries leave answers.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _file_in_use())

    @field_validator("token_algorithms", "source_file_roots", "source_s3_buckets", "source_sql_hosts", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("source_file_roots")
    @classmethod
    def _check_roots(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        relative = [root for root in value if not Path(root).is_absolute()]
        if relative:
            raise ValueError(f"must be absolute paths, not {relative[0]}")
        return value

    @field_validator("token_algorithms")
    @classmethod
    def _check_algorithms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in ALGORITHMS]
        if unknown or not value:
            raise ValueError(f"must be one or more of {', '.join(ALGORITHMS)}, not {', '.join(unknown) or 'empty'}")
        return value

    @field_validator("database_url", "mlflow_database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if value.startswith(("postgres://", "postgresql://")):
            value = "postgresql+psycopg://" + value.partition("://")[2]
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("artifact_root")
    @classmethod
    def _check_artifact_root(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("", "s3") or (parts.scheme == "s3" and not parts.netloc):
            raise ValueError("must be a folder or s3://bucket/prefix")
        return value.rstrip("/")

    @field_validator("s3_public_url")
    @classmethod
    def _check_s3_public_url(cls, value: str | None) -> str | None:
        parts = urlsplit((value or "").rstrip("/"))
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query):
            raise ValueError("must be http:// or https:// and a host, without a path, which signatures would cover")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        data = self.data_folder.expanduser().resolve()
        database = self.database_url or f"sqlite:///{data}/studio.db"
        shared = database if database.startswith("postgresql") else f"sqlite:///{data}/mlflow.db"
        uid = os.getuid()
        short = f"studio-{uid}-{hashlib.sha256(str(data).encode()).hexdigest()[:10]}"
        filled = {
            "data_folder": data,
            "database_url": database,
            "mlflow_database_url": self.mlflow_database_url or shared,
            "artifact_root": self.artifact_root or str(data / "artifacts"),
            "runtime_folder": self.runtime_folder if self.runtime_folder != Path() else _temporary() / short,
            "public_url": (self.public_url or self.listening_at).rstrip("/"),
        }
        for name, value in filled.items():
            object.__setattr__(self, name, value)
        self._check_keys()
        self._check_notifications()
        return self

    def _check_keys(self) -> None:
        asymmetric = [name for name in self.token_algorithms if name != "HS256"]
        if asymmetric and not (self.token_public_key or self.token_jwks_url):
            raise ValueError(f"{asymmetric[0]} needs STUDIO_TOKEN_PUBLIC_KEY or STUDIO_TOKEN_JWKS_URL")
        secret = self.signing_secret.get_secret_value()
        if secret and len(secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"STUDIO_SIGNING_SECRET must be at least {MIN_SECRET_BYTES} bytes long")

    def _check_notifications(self) -> None:
        if self.smtp_host and "@" not in parseaddr(self.smtp_sender)[1]:
            raise ValueError("STUDIO_SMTP_SENDER must be an e-mail address, as STUDIO_SMTP_HOST is set")
        if self.smtp_user and not (self.smtp_password and self.smtp_password.get_secret_value()):
            raise ValueError("STUDIO_SMTP_PASSWORD must be set, as STUDIO_SMTP_USER is")
        if not self.notification_webhook_url:
            return
        parts = urlsplit(self.notification_webhook_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("STUDIO_NOTIFICATION_WEBHOOK_URL must be an http or https address")
        secret = self.notification_webhook_secret
        key = secret.get_secret_value().removeprefix("whsec_") if secret else ""
        try:
            usable = len(base64.b64decode(key + "=" * (-len(key) % 4), validate=True)) >= MIN_WEBHOOK_KEY_BYTES
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "STUDIO_NOTIFICATION_WEBHOOK_SECRET must be whsec_ and the base64 of 24 bytes or more, as "
                "STUDIO_NOTIFICATION_WEBHOOK_URL is set"
            )

    @classmethod
    def load(cls, **given: Any) -> "Config":
        """Read all settings.

        Args:
            **given: Settings that win over the environment and the file.

        Raises:
            BadConfig: A setting is unknown or wrong, or the file cannot be read.
        """
        file = _file_in_use()
        if not file.is_file():
            raise BadConfig(f"STUDIO_CONFIG names {file}, which is not a file")
        known = {*cls.model_fields, "config"}
        for name in os.environ:
            if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in known:
                raise BadConfig(f"{name} is not a setting; see config/default.toml for those there are")
        try:
            return cls(**given)
        except ValidationError as error:
            raise BadConfig("; ".join(_in_words(fault) for fault in error.errors())) from error
        except ValueError as error:  # a TOML file that is not TOML
            raise BadConfig(f"{file}: {error}") from error

    def prepare_folders(self) -> "Config":
        """Make the folders, and the signing secret where none is set; returns the settings with the secret in.

        Safe to repeat and to do from two processes at once: the secret is made once.
        """
        self.data_folder.mkdir(parents=True, exist_ok=True)
        self.runtime_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.runtime_folder.chmod(0o700)
        if self.signing_secret.get_secret_value():
            return self
        return self.model_copy(update={"signing_secret": SecretStr(_kept_secret(self._secret_file))})

    @property
    def has_secret(self) -> bool:
        """True when the signing secret is set, or was made at an earlier start."""
        return bool(self.signing_secret.get_secret_value()) or self._secret_file.exists()

    @property
    def _secret_file(self) -> Path:
        return self.data_folder / "secret"

    def without_secrets(self) -> "Config":
        """The settings a training run or a model host may see."""
        hidden: dict[str, Any] = {
            "signing_secret": SecretStr(""),
            "metrics_token": None,
            "source_credentials_file": None,
        }
        hidden |= {"smtp_password": None, "notification_webhook_secret": None}
        if self.notification_webhook_url:  # an address may hold a key; that there is one must be known
            hidden["notification_webhook_url"] = "https://hidden.invalid"
        return self.model_copy(update=hidden)

    @property
    def is_embedded(self) -> bool:
        """True when both databases are files, which the processes of this installation bring up to date themselves.

        A server's tables belong to an administrator: ``studio db upgrade`` brings them up to date, or ``studio up``.
        """
        return self.database_url.startswith("sqlite") and self.mlflow_database_url.startswith("sqlite")

    @property
    def listening_at(self) -> str:
        """Address of the API for programs on this machine."""
        return f"http://{_in_url(self.host)}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach the API."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def export_environment(variables: dict[str, str]) -> None:
    """Hand settings to libraries that read them from the environment; what the administrator set himself stays."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def child_environment(**changes: str) -> dict[str, str]:
    """Environment for a process of ours: this one's, with the changes."""
    return {**os.environ, **changes}


def environment_without_secrets() -> dict[str, str]:
    """Environment for a process that reads what callers sent: this one's, without the secrets of the service."""
    hidden = {f"{PREFIX}{name}" for name in SECRETS}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def drop_secrets_from_environment() -> None:
    """Forget the secrets of the service, in a process that runs models or trainings."""
    for name in SECRETS:
        os.environ.pop(f"{PREFIX}{name}", None)


def _file_in_use() -> Path:
    return Path(os.environ.get("STUDIO_CONFIG", DEFAULT_FILE))


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104  every address: links still need one
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _in_words(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not name:
        return message
    return f"{PREFIX}{name.upper()} ({name}): {message}"


def _kept_secret(path: Path) -> str:
    if not path.exists():
        made = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process made one at the same moment: use that
            os.link(made, path)
        made.unlink()
    secret = path.read_text()
    if len(secret) < MIN_SECRET_BYTES:
        raise BadConfig(f"{path} is too short for a signing secret; delete it to have a new one made")
    return secret
