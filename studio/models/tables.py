"""Models, their tags, and the listing: a line per model with all that filters, sorts and shows it in lists.

The listing is kept by triggers, so that whatever writes a model, a tag or a role keeps it right in the same
transaction; nothing else writes it. ``terms`` holds all that is searched for: the words of ``search_text``, and facts
as words that begin with ``~``, which no word of a text does.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from studio.db.declarative import Row


class ModelTagRow(Row):
    """One tag of a model; ``position`` keeps their order."""

    __tablename__ = "model_tags"
    __table_args__ = (Index("ix_model_tags_tag", "tag", "model_id"),)

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(50), primary_key=True)
    position: Mapped[int]


class ModelRow(Row):
    """One model. ``config`` holds the model's own values alone; ``settings`` what was changed from their defaults.

    ``search_text`` is the words it is found by, with blanks between them.
    """

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("organization", "name"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")
    model_type: Mapped[str] = mapped_column(String(16))
    task_type: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    visibility: Mapped[str] = mapped_column(String(16), default="org")
    config: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(default=1)
    promoted_version_id: Mapped[str | None] = mapped_column(String(16))
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    archived_at: Mapped[datetime | None]
    source_model_id: Mapped[str | None] = mapped_column(String(16))
    tags: Mapped[list[ModelTagRow]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by=ModelTagRow.position
    )


class PurgeRow(Row):
    """What is still to be removed of a deleted model: MLflow runs and files. The worker does it."""

    __tablename__ = "purges"

    model_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    experiment_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


HELD_BY_INDEXES = ("status", "visibility", "model_type", "task_type", "number")


class ListingRow(Row):
    """A model as lists filter, sort and show it. Each order has an index that holds every filter, too.

    Names sort by code point, on PostgreSQL as on SQLite, whatever the locale of the database.
    """

    __tablename__ = "model_listing"
    __table_args__ = (
        Index("ix_model_listing_name", "organization", "name", "model_id", *HELD_BY_INDEXES),
        Index("ix_model_listing_created", "organization", "created_at", "model_id", *HELD_BY_INDEXES),
        Index("ix_model_listing_updated", "organization", "updated_at", "model_id", *HELD_BY_INDEXES),
        Index("ix_model_listing_status", "organization", "status", "model_id", *HELD_BY_INDEXES[1:]),
    )

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), unique=True)
    organization: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120).with_variant(String(120, collation="C"), "postgresql"))
    model_type: Mapped[str] = mapped_column(String(16))
    task_type: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    visibility: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    terms: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR, "postgresql"))


COLUMNS = (
    "model_id, organization, name, model_type, task_type, status, visibility, version, created_at, updated_at, terms"
)
KEPT = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS.split(", ")[1:])
SOURCES = (  # table, its column with the model's id, what can happen to it
    ("models", "id", ("INSERT", "UPDATE")),
    ("model_tags", "model_id", ("INSERT", "UPDATE", "DELETE")),
    ("model_roles", "model_id", ("INSERT", "UPDATE", "DELETE")),
)

SQLITE_LINES = """
CREATE VIEW model_lines AS
SELECT id AS model_id, organization, name, model_type, task_type, status, visibility, version, created_at, updated_at,
    search_text || ' ~type:' || model_type || ' ~task:' || task_type || ' ~' || organization || ':' || status
    || CASE visibility WHEN 'org' THEN ' ~' || organization || ':' || status || ':org' ELSE '' END
    || CASE status WHEN 'archived' THEN '' ELSE ' ~' || organization || ':listed'
        || CASE visibility WHEN 'org' THEN ' ~' || organization || ':listed:org' ELSE '' END END
    || coalesce((SELECT group_concat(' ~tag:' || lower(hex(tag)), '') FROM model_tags WHERE model_id = models.id), '')
    || coalesce((SELECT group_concat(' ~role:' || lower(hex(user_id)) || CASE visibility WHEN 'org' THEN ''
        ELSE ' ~private:' || lower(hex(user_id)) END, '') FROM model_roles WHERE model_id = models.id), '') AS terms
FROM models
"""
SQLITE_SEARCH = """
CREATE VIRTUAL TABLE model_search USING fts5(terms, content='model_listing', content_rowid='number', columnsize=0,
    detail='column', prefix='1', tokenize="ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\\]^_`{|}~'")
"""
SQLITE_SEARCH_TRIGGERS = (
    "CREATE TRIGGER model_listing_insert AFTER INSERT ON model_listing BEGIN "
    "INSERT INTO model_search (rowid, terms) VALUES (NEW.number, NEW.terms); END",
    "CREATE TRIGGER model_listing_update AFTER UPDATE ON model_listing WHEN OLD.terms <> NEW.terms BEGIN "
    "INSERT INTO model_search (model_search, rowid, terms) VALUES ('delete', OLD.number, OLD.terms); "
    "INSERT INTO model_search (rowid, terms) VALUES (NEW.number, NEW.terms); END",
    "CREATE TRIGGER model_listing_delete AFTER DELETE ON model_listing BEGIN "
    "INSERT INTO model_search (model_search, rowid, terms) VALUES ('delete', OLD.number, OLD.terms); END",
)
SQLITE_TRIGGERS = [
    f"CREATE TRIGGER {table}_{act.lower()}_listing AFTER {act} ON {table} BEGIN "  # noqa: S608  names of ours
    f"INSERT INTO model_listing ({COLUMNS}) SELECT {COLUMNS} FROM model_lines "
    f"WHERE model_id = {'OLD' if act == 'DELETE' else 'NEW'}.{key} ON CONFLICT (model_id) DO UPDATE SET {KEPT}; END"
    for table, key, acts in SOURCES
    for act in acts
]

POSTGRES_LINES = """
CREATE VIEW model_lines AS
SELECT id AS model_id, organization, name, model_type, task_type, status, visibility, version, created_at, updated_at,
    array_to_tsvector(array_remove(
        string_to_array(translate(search_text, E'\n\r\t', '   '), ' ')
        || ARRAY['~type:' || model_type, '~task:' || task_type, '~' || organization || ':' || status,
            CASE visibility WHEN 'org' THEN '~' || organization || ':' || status || ':org' ELSE '' END,
            CASE status WHEN 'archived' THEN '' ELSE '~' || organization || ':listed' END,
            CASE WHEN status <> 'archived' AND visibility = 'org' THEN '~' || organization || ':listed:org' ELSE '' END]
        || ARRAY(SELECT '~tag:' || encode(convert_to(tag, 'UTF8'), 'hex') FROM model_tags WHERE model_id = models.id)
        || ARRAY(SELECT '~role:' || left(encode(sha256(convert_to(user_id, 'UTF8')), 'hex'), 32)
            FROM model_roles WHERE model_id = models.id)
        || ARRAY(SELECT '~private:' || left(encode(sha256(convert_to(user_id, 'UTF8')), 'hex'), 32)
            FROM model_roles WHERE model_id = models.id AND visibility <> 'org'), '')) AS terms
FROM models
"""
# Without enable_seqscan a plan made while a table is empty would read all of it for every model later on.
POSTGRES_FUNCTION = f"""
CREATE FUNCTION keep_model_listing() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE ids varchar[];
BEGIN
    EXECUTE format('SELECT array_agg(DISTINCT %I) FROM touched', TG_ARGV[0]) INTO ids;
    PERFORM 1 FROM models WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    -- a statement of its own: it must see what those wrote who held the lock before
    INSERT INTO model_listing ({COLUMNS}) SELECT {COLUMNS} FROM model_lines WHERE model_id = ANY (ids)
    ON CONFLICT (model_id) DO UPDATE SET {KEPT};
    RETURN NULL;
END $$
"""  # noqa: S608  names of ours
POSTGRES_TRIGGERS = [
    f"CREATE TRIGGER {table}_{act.lower()}_listing AFTER {act} ON {table} "
    f"REFERENCING {'OLD' if act == 'DELETE' else 'NEW'} TABLE AS touched FOR EACH STATEMENT "
    f"EXECUTE FUNCTION keep_model_listing('{key}')"
    for table, key, acts in SOURCES
    for act in acts
]
POSTGRES_SEARCH = "CREATE INDEX ix_model_listing_terms ON model_listing USING gin (terms) WITH (fastupdate = off)"

MADE = {
    "sqlite": [SQLITE_LINES, SQLITE_SEARCH, *SQLITE_SEARCH_TRIGGERS, *SQLITE_TRIGGERS],
    "postgresql": [POSTGRES_LINES, POSTGRES_SEARCH, POSTGRES_FUNCTION, *POSTGRES_TRIGGERS],
}


def _made_last(statement: str, dialect: str) -> Any:
    return DDL(statement.replace("%", "%%")).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]


for dialect, statements in MADE.items():
    for statement in statements:
        event.listen(Row.metadata, "after_create", _made_last(statement, dialect))
