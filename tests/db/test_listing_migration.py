"""What the listing's migration makes of models and members that were there before."""

import pytest
from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from studio.config import Config
from studio.db.session import SCHEMA, Database
from studio.db.upgrade import MIGRATIONS, upgrade
from studio.domain.actors import Actor

MEMBERS = [  # organization, id, address, last seen
    ("acme", "a", "li@example.org", "2026-01-01 00:00:00"),
    ("acme", "b", "LI@example.org", "2026-02-01 00:00:00"),
    ("acme", "c", "Li@example.org", None),
    ("acme", "d", None, None),
    ("acme", "e", None, None),
    ("other", "a", "li@example.org", None),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/studio.db"
    return request.getfixturevalue("postgres_url")


def upgrade_to(url, revision):
    """Migrate an empty database up to a revision."""
    database, scripts, settings = Database(url), ScriptDirectory(str(MIGRATIONS)), AlembicConfig()
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        settings.attributes["connection"] = connection
        with EnvironmentContext(settings, scripts, fn=lambda found, _: scripts._upgrade_revs(revision, found)):
            scripts.run_env()
    database.close()


def fill(url):
    database = Database(url)
    with database.engine.begin() as connection:
        for number, name in enumerate(["Late delivery", "Größe", "old one"]):
            facts = {"id": f"mdl-0000000{number}", "name": name, "status": "archived" if number == 2 else "ready"}
            connection.execute(
                text(
                    "INSERT INTO models (id, organization, name, description, search_text, model_type, task_type,"
                    " status, visibility, config, settings, version, metrics, created_at, updated_at, created_by)"
                    " VALUES (:id, 'acme', :name, 'It''s 100% \"fine\"', 'what was kept before', 'auto', 'regression',"
                    " :status, 'org', '{}', '{}', 1, '{}', '2026-01-01 00:00', '2026-01-01 00:00', 'ana')"
                ),
                facts,
            )
        connection.execute(text("INSERT INTO model_tags VALUES ('mdl-00000000', 'eu', 0)"))
        for member in MEMBERS:
            facts = dict(zip(("organization", "user_id", "email", "seen"), member, strict=True))
            connection.execute(
                text("INSERT INTO members VALUES (:organization, :user_id, :email, 'user', NULL, :seen, 'system')"),
                facts,
            )
    database.close()


def test_models_that_were_there_are_listed(url, tmp_path):
    from studio.models import service
    from studio.runtime import Runtime

    upgrade_to(url, "0005")
    fill(url)
    config = Config(data_folder=tmp_path, runtime_folder=tmp_path, database_url=url)
    upgrade(config)
    runtime = Runtime(config)
    with runtime.open_stores(
        Actor("acme", user_id="ana", permissions=frozenset({"model:read"})), write=False
    ) as stores:

        def names(**wanted):
            page = service.list_models(stores, service.ModelFilter(**wanted), page=1, page_size=9)
            assert page.total == len(page.results)
            return sorted(row.name for row in page.results)

        assert names() == ["Größe", "Late delivery"]
        assert names(search="grosse") == ["Größe"]
        assert names(search="late 100% it's") == ["Late delivery"]
        assert names(search="kept") == []
        assert names(tags=["eu"]) == ["Late delivery"]
        assert names(status="archived") == ["old one"]
    runtime.database.close()


def test_of_members_with_one_address_the_one_seen_last_keeps_it(url, tmp_path):
    upgrade_to(url, "0005")
    fill(url)
    upgrade(Config(data_folder=tmp_path, runtime_folder=tmp_path, database_url=url))
    database = Database(url)
    with database.engine.connect() as connection:
        query = text("SELECT organization, user_id, email FROM members WHERE email IS NOT NULL ORDER BY 1, 2")
        kept = [tuple(row) for row in connection.execute(query)]
    assert kept == [("acme", "b", "LI@example.org"), ("other", "a", "li@example.org")]
    database.close()
