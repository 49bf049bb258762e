"""One installation for a whole session of tests, with a model that was really trained."""

import contextlib
import itertools
import os
import time
from dataclasses import asdict, dataclass

from sqlalchemy import func, select

from studio.app import create_app
from studio.audit.tables import AuditRow
from studio.auth import service as auth
from studio.backends.execution.local_processes import LocalProcesses
from studio.backends.mlflow.environment import environment_of
from studio.backends.serving.supervisor import HostSupervisor
from studio.batch_predictions.tables import BatchJobRow
from studio.clock import utc_now
from studio.collaborators import service as collaborators
from studio.deployments import service as deployments
from studio.deployments.jobs import Caretaker
from studio.domain.actors import Actor, system_actor
from studio.domain.identifiers import new_id
from studio.domain.permissions import Role
from studio.domain.runs import Priority
from studio.models import service as models
from studio.models.tables import ModelRow
from studio.organizations import service as organizations
from studio.process import mlflow_root
from studio.runtime import Runtime
from studio.training import service as training
from studio.versions import service as versions
from studio.web.identity import issue_token
from tests.factories import make_dataset, make_model, parcels
from tests.versions.factories import add_model_version, add_version, classifier

ORGANIZATION, OTHERS = "acme", "others"
ADMIN = ("organization:admin",)
ALWAYS = {405: {"method_not_allowed"}, 500: {"internal_error"}}
PLAN = {
    "algorithm": "logistic_regression",
    "target_column": "late",
    "feature_columns": ["distance_km", "weight_kg", "carrier", "is_fragile"],
    "validation": {"cv_folds": 2},
    "search": {"max_trials": 3, "time_budget_seconds": None, "parallel_trials": 1, "ensemble": False},
}
TRAINING_TIMEOUT_S = 240


@dataclass(frozen=True)
class Trained:
    """A model with a promoted version, and the run that made it."""

    model_id: str
    dataset_id: str
    run_id: str
    version_id: str


class Installation:
    """The application with data of its own, and those who call it.

    Attributes:
        app: The application.
        runtime: Opens its stores.
    """

    def __init__(self, config):
        self.config = config
        now = utc_now()
        self.runtime = Runtime(config, clock=lambda: now)  # what is estimated by the time stays equal to itself
        self.app = create_app(config, self.runtime)
        self._closing = contextlib.ExitStack()
        self._closing.callback(self.runtime.database.close)
        self._numbers = itertools.count(1)
        self._trained = self._served = self._hosts = None
        self._known = set()
        with self.runtime.database.transaction(write=True) as db:
            training.beat(db, "worker-1", now=now)  # as the time stands still, so it stays alive

    def close(self):
        """End what was started."""
        self._closing.close()

    def name(self, kind="Thing"):
        """A name nobody has yet."""
        return f"{kind} {next(self._numbers)}"

    def open(self, user="owner-1", org=ORGANIZATION):
        """Writing stores of an admin."""
        return self.runtime.open_stores(
            Actor(org, user, f"{user}@example.org", permissions=frozenset(ADMIN)), write=True
        )

    def headers(self, user, permissions=(), *, org=ORGANIZATION, lifetime_s=None, **claims):
        """Headers of a caller who is a member already: its first call would leave an audit entry of its own."""
        if (org, user) not in self._known:
            with self.runtime.open_stores(Actor(org, user, f"{user}@example.org"), write=True) as stores:
                organizations.provision_member(stores)
            self._known.add((org, user))
        given = {"org": org, "email": f"{user}@example.org", "permissions": list(permissions), **claims}
        return {"Authorization": f"Bearer {issue_token(self.app, user, given, lifetime_s=lifetime_s)}"}

    def admin(self):
        """Headers of an admin of the organization."""
        return self.headers("admin-1", ADMIN)

    def call(self, promise, call, headers, *, path=None, **changes):
        """Call an operation; ``path`` and arguments of Flask's test client replace what the call says."""
        address = (path or promise.path).format(**call.path)
        request = {"query_string": call.query, **call.body, **changes}
        return self.app.test_client().open(address, method=promise.method, headers=headers, **request)

    def refusal(self, promise, call, headers, **changes):
        """Call an operation that must be refused; (status, code) of a refusal that is promised and leaves no trace."""
        before = self.count_entries()
        answer = self.call(promise, call, headers, **changes)
        assert self.count_entries() == before
        assert_promised_problem(promise, answer)
        return answer.status_code, answer.json["code"]

    def count_entries(self, org=ORGANIZATION):
        """Length of the organization's audit log."""
        with self.runtime.open_stores(system_actor(org), write=False) as stores:
            return stores.db.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.organization == org))

    def entries_after(self, count):
        """The organization's audit entries beyond the first so many."""
        with self.runtime.open_stores(system_actor(ORGANIZATION), write=False) as stores:
            query = select(AuditRow).where(AuditRow.organization == ORGANIZATION, AuditRow.number > count)
            return list(stores.db.scalars(query.order_by(AuditRow.number)))

    def grant(self, model_id, user, role):
        """Give somebody a role."""
        with self.open() as stores:
            collaborators.grant_role(stores, model_id, user, Role(role))

    def make_dataset(self, org=ORGANIZATION):
        """Id of a new dataset."""
        with self.open(org=org) as stores:
            return make_dataset(stores, name=self.name("Parcels")).id

    def make_model(self, *, dataset=False, private=False, org=ORGANIZATION, **facts):
        """Id of a new draft, owned by ``owner-1``."""
        with self.open(org=org) as stores:
            linked = make_dataset(stores, name=self.name("Parcels")) if dataset else None
            model = make_model(stores, self.name("Model"), dataset=linked, **facts)
            if private:
                stores.db.get(ModelRow, model.id).visibility = "private"
            return model.id

    def make_api_key(self, permissions=("model:read",)):
        """A new API key, with its secret."""
        with self.open() as stores:
            made = auth.create_api_key(stores, name=self.name("Key"), permissions=permissions, expires_in_days=1)
            stores.db.expunge(made.row)
            return made

    def sign_in(self, api_key):
        """What an API key is good for."""
        with self.open() as stores:
            return auth.sign_in(stores, {"api_key": api_key})

    def end_tokens(self):
        """Headers of tokens of admins that were taken back: one by its caller, one with its API key."""
        client, revoked = self.app.test_client(), self.headers("leaver", ADMIN)
        assert client.delete("/api/v1/auth/token", headers=revoked).status_code == 204
        key = self.make_api_key(ADMIN)
        body = {"grant_type": "api_key", "api_key": key.api_key}
        granted = client.post("/api/v1/auth/token", json=body)
        assert client.delete(f"/api/v1/auth/api-keys/{key.row.id}", headers=self.admin()).status_code == 204
        return {"revoked": revoked, "key deleted": {"Authorization": f"Bearer {granted.json['access_token']}"}}

    def start_run(self):
        """Ids of a new model and of its queued run."""
        model_id = self.make_model(dataset=True)
        with self.open() as stores:
            return model_id, training.start_run(stores, model_id).run_id

    def make_ids(self):
        """Ids that any operation's path may name: a model of ``owner-1``, its run and version, a dataset, a key."""
        model_id, run_id = self.start_run()
        return {
            "model_id": model_id,
            "run_id": run_id,
            "version_id": self.add_version(model_id),
            "dataset_id": self.make_dataset(),
            "user_id": "owner-1",
            "key_id": self.make_api_key().row.id,
            "deployment_id": self.deploy(model_id),
            "batch_id": self.make_batch(model_id),
        }

    def make_batch(self, model_id):
        """Id of a batch prediction that has completed, with a result."""
        with self.open() as stores:
            file = asdict(stores.files.put(f"{model_id}/batches/result.csv", [b"prediction\n"]))
            row = BatchJobRow(
                id=new_id("batch"), organization=ORGANIZATION, model_id=model_id, version=1,
                dataset_id=new_id("dataset"), status="completed", rows_total=12, rows_predicted=12, rows_failed=0,
                created_at=stores.now(), created_by="owner-1", started_at=stores.now(), completed_at=stores.now(),
                files={"csv": file, "parquet": file},
            )  # fmt: skip
            stores.db.add(row)
            return row.id

    def add_version(self, model_id):
        """Id of a new ready version without files."""
        with self.open() as stores:
            return add_version(stores, models.get_model(stores, model_id)).id

    def deploy(self, model_id):
        """Id of a new deployment of a model's first version, stopped: it keeps nothing from being changed."""
        with self.open() as stores:
            made = deployments.create_deployment(stores, model_id, version_id="ver-001")
            stores.note = None
            deployments.stop_deployment(stores, model_id, made.id)
            return made.id

    def trained(self):
        """The model that was trained; made when the first test asks."""
        if self._trained is None:
            self._trained = self._train()
        return self._trained

    def served(self):
        """Ids of a model and of its healthy deployment; made when the first test asks."""
        if self._served is None:
            self.trained()  # which starts what hosts models
            model_id = self.make_model()
            with self.open() as stores:
                add_model_version(stores, models.get_model(stores, model_id), classifier())
            with self.open() as stores:
                deployment_id = deployments.create_deployment(stores, model_id, version_id="ver-001").id
            caretaker = Caretaker(self.runtime.database, self.runtime.open_stores, self._hosts, self.runtime.clock)
            self._served = model_id, deployment_id
            deadline = time.monotonic() + TRAINING_TIMEOUT_S
            while not self._is_healthy(model_id, deployment_id):
                assert time.monotonic() < deadline
                caretaker.step()
                time.sleep(0.1)
        return self._served

    def _is_healthy(self, model_id, deployment_id):
        with self.open() as stores:
            return deployments.get_deployment(stores, model_id, deployment_id).status == "healthy"

    def _train(self):
        with self.open() as stores:
            dataset = make_dataset(stores, parcels(120), name=self.name("Parcels"))
            model_id = make_model(stores, self.name("Model"), dataset=dataset, config=PLAN).id
            run_id = training.start_run(stores, model_id, run_label="first", priority=Priority.HIGH).run_id
        with self.runtime.database.transaction(write=True) as db:
            assert training.claim_run(db, "worker-1", now=self.runtime.clock()).run_id == run_id
        folder = self.config.data_folder / "run"
        facts = {"config": self.config.without_secrets(), "organization": ORGANIZATION, "run_id": run_id}
        started = self._start_processes().start(
            run_id,
            "studio.run_process:main",
            {**facts, "work_folder": folder},
            output=self.config.data_folder / "run.log",
        )
        assert started.wait(TRAINING_TIMEOUT_S) == 0, (self.config.data_folder / "run.log").read_text()
        with self.open() as stores:
            version_id = training.find_run(stores, run_id).version_produced
            versions.promote_version(stores, model_id, version_id)
        return Trained(model_id, dataset.id, run_id, version_id)

    def _start_processes(self):
        """Processes for the training, and afterwards model hosts."""
        settings = environment_of(self.config.mlflow_database_url, mlflow_root(self.config), loads_models=True)
        processes = LocalProcesses(
            environment={**os.environ, **settings},
            preload=["studio.run_process", "studio.backends.serving.host", "studio.backends.mlflow.loading"],
            threads=1,
        )
        self._closing.callback(processes.close)
        hosts = self._hosts = HostSupervisor(processes, self.config.runtime_folder)
        hosts.start()
        self._closing.callback(hosts.close)
        self._closing.callback(self.runtime.hosts.close)
        return processes


def assert_promised_problem(promise, answer):
    """An answer is a problem, and one this operation may answer."""
    problem = answer.get_json(force=True)
    assert answer.mimetype == "application/problem+json", problem
    assert problem["status"] == answer.status_code
    known = {*promise.errors.get(answer.status_code, ()), *ALWAYS.get(answer.status_code, ())}
    assert problem["code"] in known, problem
