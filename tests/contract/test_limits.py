"""The bounds that no OpenAPI document can tell, each with the most there may be and with more.

Those of sockets stand with them: of messages in ``tests/legacy/test_large.py`` and
``tests/training_metrics/test_stream.py``, of their number in ``tests/training_metrics/test_stream_access.py``.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.factories import make_dataset, make_model

MODELS = "/api/v1/models"
BODY = {"name": "A", "model_type": "auto", "task_type": "classification"}


@dataclass(frozen=True)
class World:
    """An installation with small limits, and its time.

    Attributes:
        client: Calls it.
        headers: Makes the headers of a caller.
        open_stores: Opens its stores.
        clock: Its time.
    """

    client: Any
    headers: Callable[..., dict[str, str]]
    open_stores: Callable[..., Any]
    clock: Any

    def create(self, text=b"", headers=None, **changes):
        """Answer to a new model, as the body's text or with changes of a body that is right."""
        given = {"data": text, "content_type": "application/json"} if text else {"json": {**BODY, **changes}}
        return self.client.post(MODELS, headers={**self.headers(), **(headers or {})}, **given)

    def list_models(self, **caller):
        """Answer to one who asks for all models."""
        return self.client.get(MODELS, headers=self.headers(**caller))


@pytest.fixture
def config(config):
    small = {
        "queue_limit": 2,
        "rate_limit_per_minute": 50,
        "sign_in_limit_per_minute": 3,
        "dataset_limit_bytes": 2000,
    }
    return config.model_copy(update=small)


@pytest.fixture
def world(client, headers, open_stores, clock):
    return World(client, headers, open_stores, clock)


def with_body_of(world, size):
    return world.create(json.dumps(BODY).encode().ljust(size))


def with_key_of(world, size):
    return world.create(headers={"Idempotency-Key": "k" * size})


def with_request_id_of(world, size):
    answer = world.create(headers={"X-Request-ID": "r" * size})
    return answer if answer.headers["X-Request-ID"] == "r" * size else None


def by_user_of(world, size):
    return world.list_models(user="u" * size, email="a@example.org")


def by_organization_of(world, size):
    return world.list_models(org="o" * size)


def by_address_of(world, size):
    return world.list_models(email="a" * (size - len("@example.org")) + "@example.org")


def with_token_over_since(world, seconds):
    return world.list_models(lifetime_s=-seconds)


def with_so_many_calls(world, count):
    return [world.list_models() for _ in range(count)][-1]


def with_so_many_sign_ins(world, count):
    made = world.client.post(
        "/api/v1/auth/api-keys", headers=world.headers(), json={"name": "k", "permissions": ["model:read"]}
    )
    body = {"grant_type": "api_key", "api_key": made.json["api_key"]}
    return [world.client.post("/api/v1/auth/token", json=body) for _ in range(count)][-1]


def make_trainable(world, name):
    """Id of a new model with a dataset."""
    with world.open_stores() as stores:
        model_id = make_model(stores, name, dataset=make_dataset(stores, name=name)).id
        stores.note = None
    return model_id


def train(world, model_ids):
    """The last answer of those to the start of trainings."""
    paths = [f"{MODELS}/{model_id}/train" for model_id in model_ids]
    return [world.client.post(path, headers=world.headers(), json={}) for path in paths][-1]


def with_so_many_queued(world, count):
    return train(world, [make_trainable(world, f"{number}") for number in range(count)])


def with_so_many_runs_of_a_model(world, count):
    return train(world, [make_trainable(world, "one")] * count)


def with_table_of(world, size):
    content = b"a,b\n" + b"1,2\n" * (size // 4 - 1) + b"\n" * (size % 4)
    data = {"name": "Parcels", "file": (io.BytesIO(content), "a.csv")}
    return world.client.post(f"{MODELS}/datasets", headers=world.headers(), data=data)


def with_splits_of(world, percent):
    return world.create(config={"validation": {"test_size": 0.2, "validation_size": percent / 100 - 0.2}})


def with_ticket_of_age(world, seconds):
    made = world.client.post(f"{MODELS}/stream-tickets", headers=world.headers(), json={})
    world.clock.advance(seconds=seconds)
    return world.client.get(f"/mlflow/?ticket={made.json['ticket']}", headers={"Accept": "application/json"})


def with_key_repeated_after(world, hours):
    world.create(headers={"Idempotency-Key": "again"})
    world.clock.advance(hours=hours)
    return world.create(headers={"Idempotency-Key": "again"})


def with_gate_of(world, bounds):
    path = f"{MODELS}/{world.create().json['id']}/versions/ver-001/promote"
    gate = dict([("metric", "accuracy"), ("min_value", 0.5), ("min_improvement_over_promoted", 0.0)][:bounds])
    return world.client.post(path, headers=world.headers(), json={"gate": gate})


# What is bounded, the most there may be, more than that, what the most is answered, and what more is.
LIMITS = [
    (with_body_of, 10 << 20, (10 << 20) + 1, 201, (413, "payload_too_large")),
    (with_table_of, 2000, 2001, 201, (413, "payload_too_large")),
    (with_key_of, 255, 256, 201, (422, "invalid_idempotency_key")),
    (with_key_repeated_after, 24, 25, 201, (409, "name_taken")),
    (with_request_id_of, 128, 129, 201, None),
    (by_user_of, 128, 129, 200, (401, "token_invalid")),
    (by_organization_of, 63, 64, 200, (401, "token_invalid")),
    (by_address_of, 320, 321, 200, (401, "token_invalid")),
    (with_token_over_since, 25, 35, 200, (401, "token_expired")),
    (with_ticket_of_age, 30, 31, 200, (401, "token_invalid")),
    (with_so_many_calls, 50, 51, 200, (429, "rate_limited")),
    (with_so_many_sign_ins, 3, 4, 200, (429, "rate_limited")),
    (with_so_many_queued, 2, 3, 202, (429, "quota_exceeded")),
    (with_so_many_runs_of_a_model, 1, 2, 202, (409, "run_in_progress")),
    (with_splits_of, 99, 100, 201, (422, "validation_failed")),
    (with_gate_of, 2, 1, 404, (422, "validation_failed")),
]


def each_limit(*columns):
    """Parametrises a test by columns of the table."""
    names = ("call", "most", "more", "status", "refusal")
    rows = [pytest.param(*(row[names.index(name)] for name in columns), id=row[0].__name__) for row in LIMITS]
    return pytest.mark.parametrize(columns, rows)


@each_limit("call", "most", "status")
def test_so_much_may_be(world, call, most, status):
    answer = call(world, most)
    assert answer.status_code == status, answer.get_data(as_text=True)


@each_limit("call", "more", "refusal")
def test_more_may_not(world, call, more, refusal):
    answer = call(world, more)
    assert (answer and (answer.status_code, answer.json["code"])) == refusal
