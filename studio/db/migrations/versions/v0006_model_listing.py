"""The listing of models with its full-text search, an index for every list, and one member per e-mail address."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from studio.domain.words import words_of

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HELD_BY_INDEXES = ["status", "visibility", "model_type", "task_type", "number"]
MODELS_AT_ONCE = 1000
COLUMNS = (
    "model_id, organization, name, model_type, task_type, status, visibility, version, created_at, updated_at, terms"
)
KEPT = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS.split(", ")[1:])
SOURCES = (
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

# Of several members with one address the one seen last keeps it.
CLEAR_DOUBLE_ADDRESSES = """
UPDATE members SET email = NULL WHERE (organization, user_id) IN (
    SELECT organization, user_id FROM (
        SELECT organization, user_id, row_number() OVER (
            PARTITION BY organization, lower(email) ORDER BY last_seen_at IS NULL, last_seen_at DESC, user_id
        ) AS place FROM members WHERE email IS NOT NULL
    ) AS ranked WHERE place > 1
)
"""


OTHER_INDEXES = (  # name, table, columns
    (
        "ix_audit_entries_model",
        "audit_entries",
        ["organization", "model_id", "number", "timestamp", "action", "user_id"],
    ),
    ("ix_audit_entries_time", "audit_entries", ["organization", "timestamp", "number"]),
    ("ix_audit_entries_number", "audit_entries", ["organization", "number", "timestamp", "action", "user_id"]),
    ("ix_datasets_created", "datasets", ["organization", "is_complete", "created_at", "id"]),
    ("ix_datasets_name", "datasets", ["organization", "is_complete", "name", "id"]),
    ("ix_datasets_rows", "datasets", ["organization", "is_complete", "rows", "id"]),
    ("ix_datasets_incomplete", "datasets", ["is_complete", "created_at"]),
    ("ix_training_runs_model", "training_runs", ["model_id", "created_at", "id"]),
    ("ix_training_runs_organization", "training_runs", ["organization", "status", "completed_at", "model_id"]),
    ("ix_training_runs_recent", "training_runs", ["status", "created_at"]),
)
FORMER_INDEXES = (
    ("ix_models_created", "models"),
    ("ix_models_updated", "models"),
    ("ix_models_status", "models"),
    ("ix_audit_entries_model", "audit_entries"),
    ("ix_audit_entries_time", "audit_entries"),
    ("ix_datasets_listing", "datasets"),
    ("ix_training_runs_model", "training_runs"),
    ("ix_training_runs_organization", "training_runs"),
    ("ix_members_email", "members"),
)


def upgrade() -> None:
    """Create the listing, fill it from the models there are, and let an address belong to one member."""
    _find_words()
    _create_model_listing()
    for name, table in FORMER_INDEXES:
        op.drop_index(name, table)
    for name, table, columns in OTHER_INDEXES:
        op.create_index(name, table, columns)
    op.get_bind().exec_driver_sql(CLEAR_DOUBLE_ADDRESSES)
    op.create_index("ix_members_email", "members", ["organization", sa.text("lower(email)")], unique=True)


def _find_words() -> None:
    """Keep of every model the words it is found by, in place of its whole text."""
    connection = op.get_bind()
    models = sa.table("models", *map(sa.column, ("id", "name", "description", "search_text")))
    query = sa.select(models.c.id, models.c.name, models.c.description).order_by(models.c.id).limit(MODELS_AT_ONCE)
    change = sa.update(models).where(models.c.id == sa.bindparam("key")).values(search_text=sa.bindparam("words"))
    rows = connection.execute(query).all()
    while rows:
        words = [{"key": row.id, "words": " ".join(words_of(f"{row.name}\n{row.description}"))} for row in rows]
        connection.execute(change, words)
        rows = connection.execute(query.where(models.c.id > rows[-1].id)).all()


def _create_model_listing() -> None:
    op.create_table(
        "model_listing",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("model_id", sa.String(length=16), nullable=False),
        sa.Column("organization", sa.String(length=63), nullable=False),
        sa.Column(
            "name",
            sa.String(length=120).with_variant(sa.String(length=120, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("model_type", sa.String(length=16), nullable=False),
        sa.Column("task_type", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("terms", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_listing_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_model_listing")),
        sa.UniqueConstraint("model_id", name=op.f("uq_model_listing_model_id")),
    )
    for name, *columns in (
        ("name", "name", "model_id", *HELD_BY_INDEXES),
        ("created", "created_at", "model_id", *HELD_BY_INDEXES),
        ("updated", "updated_at", "model_id", *HELD_BY_INDEXES),
        ("status", "status", "model_id", *HELD_BY_INDEXES[1:]),
    ):
        op.create_index(f"ix_model_listing_{name}", "model_listing", ["organization", *columns])
    connection = op.get_bind()
    for statement in MADE[connection.dialect.name]:
        connection.exec_driver_sql(
            statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
        )
    connection.exec_driver_sql(f"INSERT INTO model_listing ({COLUMNS}) SELECT {COLUMNS} FROM model_lines")  # noqa: S608
