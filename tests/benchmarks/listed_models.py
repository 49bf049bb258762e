"""A hundred thousand models of one organization, by SQL: names, texts, tags, roles and states as a company has them.

Words follow Zipf's law, as words do. One word stands in every name, one tag on most models, some words in one model.
"""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text

from studio.collaborators.tables import RoleRow
from studio.db.session import Database
from studio.domain.words import words_of
from studio.models.tables import COLUMNS, SQLITE_TRIGGERS, ModelRow, ModelTagRow
from tests.schema import create_tables_of_mlflow

ORGANIZATION = "acme"
AT_ONCE = 5000
VOCABULARY = 8000
USERS = 200
SYLLABLES = [
    "an",
    "bel",
    "cor",
    "del",
    "en",
    "fa",
    "gor",
    "hal",
    "ir",
    "jun",
    "kal",
    "lo",
    "mar",
    "nor",
    "pel",
    "qui",
    "xi",
]
KNOWN = ["risk", "late", "delivery", "churn", "price", "demand", "transit", "damage", "score", "north"]
STATUSES = (("ready", 60), ("draft", 15), ("archived", 14), ("failed", 10), ("training", 1))
TAGS = ["production", *(f"team-{number}" for number in range(20)), *(f"project-{number}" for number in range(500))]
REGISTERED = "name, creation_time, last_updated_time, description, workspace"
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def fill_models(url, count, *, seed=7):
    """Insert so many models into migrated tables that hold none.

    Args:
        url: Address of the own tables.
        count: How many models.
        seed: Of all that is drawn.
    """
    database = Database(url)
    with database.transaction(write=True) as db:
        _switch_triggers(db, "DISABLE")
        draw = random.Random(seed)
        vocabulary = _vocabulary(draw)
        for first in range(0, count, AT_ONCE):
            models = [_model(draw, vocabulary, number) for number in range(first, min(count, first + AT_ONCE))]
            db.execute(insert(ModelRow), [facts for facts, _, _ in models])
            db.execute(insert(ModelTagRow), [tag for _, tags, _ in models for tag in tags])
            db.execute(insert(RoleRow), [role for _, _, roles in models for role in roles])
        _switch_triggers(db, "ENABLE")
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))  # as the server does it by itself a minute later
    database.close()


def fill_mlflow(folder, count, *, seed=7):
    """The same names and tags as registered models of a MLflow server, in a new ``mlflow.db``."""
    create_tables_of_mlflow(f"sqlite:///{folder}/mlflow.db")
    draw = random.Random(seed)
    vocabulary = _vocabulary(draw)
    with closing(sqlite3.connect(folder / "mlflow.db")) as db, db:
        for number in range(count):
            facts, tags, _ = _model(draw, vocabulary, number)
            made, changed = (int(1000 * facts[key].timestamp()) for key in ("created_at", "updated_at"))
            row = (facts["name"], made, changed, facts["description"], "default")
            db.execute(f"INSERT INTO registered_models ({REGISTERED}) VALUES (?, ?, ?, ?, ?)", row)
            rows = [(tag["tag"], "yes", facts["name"], "default") for tag in tags]
            db.executemany("INSERT INTO registered_model_tags (key, value, name, workspace) VALUES (?, ?, ?, ?)", rows)


def _vocabulary(draw):
    return KNOWN + ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in range(VOCABULARY)]


def _switch_triggers(db, act):
    """All lines of the listing are made at once at the end, which is ten times as fast."""
    is_sqlite = db.get_bind().dialect.name == "sqlite"
    if act == "ENABLE":
        db.execute(text(f"INSERT INTO model_listing ({COLUMNS}) SELECT {COLUMNS} FROM model_lines"))
    if not is_sqlite:
        for table in ("models", "model_tags", "model_roles"):
            db.execute(text(f"ALTER TABLE {table} {act} TRIGGER USER"))
    for trigger in SQLITE_TRIGGERS if is_sqlite else ():
        name = trigger.split()[2]
        db.connection().exec_driver_sql(f"DROP TRIGGER {name}" if act == "DISABLE" else trigger)


def _model(draw, vocabulary, number):
    """Row, tags and roles of one model."""
    model_id, owner = f"mdl-{draw.getrandbits(12):03x}{number:05x}", f"user-{draw.randrange(USERS)}"
    name = f"{' '.join(_words(draw, vocabulary, 2))} model {number:06d}"
    description = " ".join(_words(draw, vocabulary, draw.randint(3, 40)))
    created = FIRST + timedelta(minutes=10 * number, seconds=draw.randrange(600), microseconds=draw.randrange(10**6))
    updated = created + timedelta(days=draw.expovariate(0.1))
    facts = {
        "id": model_id, "organization": ORGANIZATION, "name": name, "description": description,
        "search_text": " ".join(words_of(f"{name}\n{description}")),
        "model_type": draw.choice(["auto"] * 9 + ["custom"]),
        "task_type": draw.choice(["classification", "classification", "regression", "clustering", "time_series"]),
        "status": draw.choices(*zip(*STATUSES, strict=True))[0], "visibility": draw.choice(["org"] * 19 + ["private"]),
        "config": {"target_column": "late", "feature_columns": ["a", "b", "c"]}, "settings": {}, "version": 3,
        "metrics": {"accuracy": 0.9}, "created_at": created, "updated_at": updated, "created_by": owner,
    }  # fmt: skip
    chosen = {tag for tag in (TAGS[0], *draw.choices(TAGS, k=3)) if tag != TAGS[0] or draw.random() < 0.8}
    tags = [{"model_id": model_id, "tag": tag, "position": place} for place, tag in enumerate(sorted(chosen))]
    held = {f"user-{draw.randrange(USERS)}": "viewer" for _ in range(draw.choice([0, 0, 0, 1, 3]))}
    roles = [
        {"model_id": model_id, "user_id": user, "organization": ORGANIZATION, "role": role}
        for user, role in {**held, owner: "owner"}.items()
    ]
    return facts, tags, roles


def _words(draw, vocabulary, count):
    """So many words, the first of the vocabulary most often."""
    return [vocabulary[min(int(draw.paretovariate(0.6)), len(vocabulary)) - 1] for _ in range(count)]
