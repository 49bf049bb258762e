"""The API: rooms on one edge, and MLflow mounted beside them."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from studio.audit import service as audit
from studio.audit.views import bp as audit_bp
from studio.auth import service as auth
from studio.auth.views import bp as auth_bp
from studio.backends.mlflow.guard import Guard
from studio.backends.mlflow.mount import mount
from studio.backends.stores import Note, Stores
from studio.batch_predictions.views import bp as batch_predictions_bp
from studio.config import Config
from studio.dashboard.views import bp as dashboard_bp
from studio.datasets.views import bp as datasets_bp
from studio.deployments.views import bp as deployments_bp
from studio.domain.actors import Actor
from studio.downloads.views import bp as downloads_bp
from studio.gatekeeper import make_gatekeeper
from studio.health.views import bp as health_bp
from studio.inference_protocol.views import bp as inference_protocol_bp
from studio.legacy.stream import bp as legacy_bp
from studio.models import service as models
from studio.models.views import bp as models_bp
from studio.organizations import service as organizations
from studio.organizations.views import bp as organizations_bp
from studio.performance.views import bp as performance_bp
from studio.predictions.views import bp as predictions_bp
from studio.registry.views import bp as registry_bp
from studio.runtime import Runtime
from studio.settings.views import bp as settings_bp
from studio.sharing.views import bp as sharing_bp
from studio.training.views import bp as training_bp
from studio.training_metrics.stream import bp as stream_bp
from studio.training_metrics.views import bp as training_metrics_bp
from studio.versions.views import bp as versions_bp
from studio.web.context import Edge, Origin, install_edge
from studio.web.errors import install_errors
from studio.web.identity import install_identifier
from studio.web.limiter import CallLimiter
from studio.web.openapi import install_assets, make_api
from studio.web.paths import SlashesOff, install_paths
from studio.web.request_ids import RequestIds
from studio.web.shared_counts import Columns
from studio.web.sockets import Sockets
from studio.web.telemetry import install_telemetry
from studio.web.uploads import UploadRequest

REMEMBERED_CALLERS = 10_000
BLUEPRINTS = (
    models_bp,
    dashboard_bp,
    datasets_bp,
    settings_bp,
    sharing_bp,
    versions_bp,
    training_bp,
    training_metrics_bp,
    stream_bp,
    performance_bp,
    registry_bp,
    downloads_bp,
    predictions_bp,
    inference_protocol_bp,
    batch_predictions_bp,
    deployments_bp,
    audit_bp,
    auth_bp,
    organizations_bp,
    legacy_bp,
    health_bp,
)


def create_app(config: Config, runtime: Runtime | None = None) -> Flask:
    """The application of one process.

    Args:
        config: The settings.
        runtime: What opens stores; None to make it from the settings.
    """
    app = Flask("studio", static_folder=None)
    app.request_class = UploadRequest
    install_paths(app)
    app.config.update(PROVIDE_AUTOMATIC_OPTIONS=False, STUDIO_DATASET_LIMIT_BYTES=config.dataset_limit_bytes)
    runtime = runtime or Runtime(config)
    app.extensions["studio_runtime"] = runtime
    edge = make_edge(app, runtime)
    install_edge(app, edge)
    install_telemetry(app)
    install_assets(app)
    api = make_api(app, config.public_url)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    install_errors(app)  # after flask-smorest, which installs a handler of its own
    guard = Guard(runtime.connection, make_gatekeeper(edge, runtime))
    served = mount(SlashesOff(app.wsgi_app), guard=guard)
    proxies = config.trusted_proxies
    if proxies:  # nobody else may say where a call comes from
        served = ProxyFix(served, x_for=proxies, x_proto=proxies, x_host=proxies)
    app.wsgi_app = RequestIds(served)  # type: ignore[method-assign]
    return app


def make_edge(app: Flask, runtime: Runtime) -> Edge:
    """What the edge needs of the rooms."""

    def find_caller(credentials: Mapping[str, Any]) -> Actor:
        with runtime.database.transaction(write=False) as session:
            return auth.find_caller(session, credentials, runtime.clock())

    def append_audit(stores: Stores, action: str, note: Note, origin: Origin) -> None:
        audit.append_entry(
            stores, action, model_id=note.model_id, details=note.details,
            ip_address=origin.ip_address, request_id=origin.request_id,
        )  # fmt: skip

    def redeem_ticket(ticket: str) -> tuple[Actor, str | None, str | None]:
        with runtime.database.transaction(write=True) as session:
            return auth.redeem_ticket(session, ticket, runtime.clock())

    config = runtime.config
    columns = Columns(config.api_workers)
    return Edge(
        open_stores=runtime.open_stores,
        identifier=install_identifier(app, config),
        limiter=CallLimiter(config.rate_limit_per_minute, columns),
        sign_in_limiter=CallLimiter(config.sign_in_limit_per_minute, columns),
        find_caller=find_caller,
        admit=make_admission(runtime),
        find_access=models.find_access,
        has_any_role=models.has_any_role,
        append_audit=append_audit,
        redeem_ticket=redeem_ticket,
        sockets=Sockets(config.sockets_per_caller, columns=columns),
        seal=Fernet(_key_from(config.signing_secret.get_secret_value(), "kept answers")),
    )


def make_admission(runtime: Runtime) -> Callable[[Stores, Origin], None]:
    """What lets a known caller in: refuses a revoked token, and makes a person a member at the first call."""
    seen: dict[tuple[str, str | None], datetime] = {}

    def admit(stores: Stores, origin: Origin) -> None:
        auth.check_not_revoked(stores)
        caller = (stores.organization, stores.actor.user_id)
        if caller in seen and stores.now() - seen[caller] < organizations.SEEN_PRECISION:
            return  # noted lately: what follows would ask the database at every call
        if not organizations.is_up_to_date(stores):
            with runtime.open_stores(stores.actor, write=True) as apart:
                organizations.provision_member(apart, request_id=origin.request_id, ip_address=origin.ip_address)
        if len(seen) >= REMEMBERED_CALLERS:
            seen.clear()
        seen[caller] = stores.now()

    return admit


def _key_from(secret: str, purpose: str) -> bytes:
    digest = hashlib.blake2b(purpose.encode(), key=secret.encode()[:64], digest_size=32).digest()
    return base64.urlsafe_b64encode(digest)
