"""Thousands of models in the two SQLite files of a service, cloned from one that was made through the API.

Rows are inserted with SQL, as making ten thousand models over HTTP would take longer than all measurements. Each has
what the template has (row, tag, owner's role; registered model, experiment and their tags), under its own id and name.
"""

import contextlib
import sqlite3
from datetime import datetime, timedelta

OWN_TABLES = {"models": "id", "model_tags": "model_id", "model_roles": "model_id"}


def clone_models(data_folder, template, count):
    """Clone a model until there are so many; no process may have the files open.

    Args:
        data_folder: Data folder of a service that is stopped.
        template: The model as the API answered it.
        count: Models there shall be in all.

    Returns:
        Ids and names of all, the template's first.
    """
    models = [(f"mdl-{number:08x}", f"model-{number:05d}") for number in range(1, count)]
    with _opened(data_folder / "studio.db") as db:
        for table, key in OWN_TABLES.items():
            _clone(db, table, key, template["id"], [_own_changes(key, *model) for model in models])
    with _opened(data_folder / "mlflow.db") as db:
        _clone_registered(db, template, models)
    return [(template["id"], template["name"]), *models]


def copy_for_mlflow(source, target):
    """Copy MLflow's tables for a server of its own, which has one workspace only: all rows go there."""
    with _opened(source) as db, _opened(target) as copy:
        db.backup(copy)
        tables = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if any(column[1] == "workspace" for column in copy.execute(f"PRAGMA table_info({table})")):
                copy.execute(f"UPDATE OR IGNORE {table} SET workspace = 'default'")
                copy.execute(f"DELETE FROM {table} WHERE workspace <> 'default'")


def _own_changes(key, model_id, name):
    if key != "id":
        return {key: model_id}
    return {"id": model_id, "name": name, "search_text": f"{name}\n"}


def _clone_registered(db, template, models):
    name = template["name"]
    _clone(db, "registered_models", "name", name, [{"name": new} for _, new in models])
    tags = [{"name": new, "value": new_id} for new_id, new in models]
    _clone(db, "registered_model_tags", "name", name, tags)
    (experiment,) = db.execute("SELECT experiment_id FROM experiments WHERE name = ?", [name]).fetchone()
    (highest,) = db.execute("SELECT max(experiment_id) FROM experiments").fetchone()
    places = range(highest + 1, highest + 1 + len(models))
    names = [{"experiment_id": place, "name": new} for place, (_, new) in zip(places, models, strict=True)]
    _clone(db, "experiments", "experiment_id", experiment, names)
    tags = [{"experiment_id": place, "value": new_id} for place, (new_id, _) in zip(places, models, strict=True)]
    _clone(db, "experiment_tags", "experiment_id", experiment, tags)


def _clone(db, table, key, value, changes):
    """Insert the template's rows of a table once for each set of changes; times go back by a second each."""
    columns = [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
    rows = db.execute(f"SELECT * FROM {table} WHERE {key} = ?", [value]).fetchall()
    if not rows:
        raise SystemExit(f"the template has no row in {table}")
    places = ", ".join("?" * len(columns))
    fresh = (
        [changed.get(column, _earlier(column, held, age_s)) for column, held in zip(columns, row, strict=True)]
        for age_s, changed in enumerate(changes, 1)
        for row in rows
    )
    db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", fresh)


def _earlier(column, held, age_s):
    if column in ("created_at", "updated_at"):
        return str(datetime.fromisoformat(held) - timedelta(seconds=age_s))
    if column in ("creation_time", "last_updated_time", "last_update_time") and held is not None:
        return held - 1000 * age_s
    return held


@contextlib.contextmanager
def _opened(path):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db
