"""Models to list, and what the listing must hold and answer, worked out from their rows without it."""

import random
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select, text

from studio.collaborators.tables import RoleRow
from studio.domain.words import wanted_words, words_of
from studio.models.tables import ListingRow, ModelRow, ModelTagRow

NAMES = [
    "late", "Delivery", "Größe", "café", "CAFÉ", "🚚", "❤️", "100%", 'a "quote"', "it's", "back\\slash", "OR", "NEAR(x)",
    "配送遅延", "a_b", "x:y", "deliveryRisk2", "~acme", "~acme:listed", "tag:eu", "*", "-", "ﷺ", "q" * 90, "́",
]  # fmt: skip
TAGS = ["eu", "EU", "é", "🚚", 'a "b"', "it's", "a\\b", "a:b & c | !d", "*", "t" * 50]
STATUSES = ["draft", "training", "ready", "archived", "failed"]
USERS = ["ana", "li", 'o\'neil \\ "x" & é', "u" * 128]


@dataclass
class Line:
    """A model as the test knows it."""

    row: ModelRow
    tags: set = field(default_factory=set)
    roles: dict = field(default_factory=dict)


def make_lines(stores, count, *, seed=1, organization="acme"):
    """Rows of so many models of all kinds, with tags and roles."""
    draw, lines = random.Random(seed), []
    for number in range(count):
        moment = stores.now() - timedelta(seconds=draw.randrange(5), microseconds=draw.choice([0, 0, 7]))
        name, description = f"{draw.choice(NAMES)} {number}"[:120], " ".join(draw.choices(NAMES, k=draw.randrange(4)))
        row = ModelRow(
            id=f"mdl-{draw.getrandbits(32):08x}", organization=organization, name=name, description=description,
            search_text=" ".join(words_of(f"{name}\n{description}")), model_type=draw.choice(["auto", "custom"]),
            task_type=draw.choice(["classification", "regression"]), status=draw.choice(STATUSES),
            visibility=draw.choice(["org", "private"]), config={}, settings={}, version=1, metrics={},
            created_at=moment, updated_at=moment + timedelta(seconds=draw.randrange(3)), created_by="ana",
        )  # fmt: skip
        line = Line(row, set(draw.sample(TAGS, draw.randrange(4))), dict.fromkeys(draw.sample(USERS, 2), "viewer"))
        stores.db.add(row)
        stores.db.flush()
        row.tags.extend(ModelTagRow(tag=tag, position=place) for place, tag in enumerate(sorted(line.tags)))
        stores.db.add_all(
            RoleRow(model_id=row.id, user_id=user, organization=organization, role=role)
            for user, role in line.roles.items()
        )
        lines.append(line)
    stores.db.flush()
    return lines


def expect(lines, wanted, *, user="ana", permissions=("organization:admin",)):
    """Ids of the models a filter lets through for a caller, in its order."""

    def is_seen(line):
        if "organization:admin" in permissions or user in line.roles:
            return True
        return line.row.visibility == "org" and bool({"model:read", "organization:viewer"} & set(permissions))

    def is_found(line):
        held = words_of(f"{line.row.name}\n{line.row.description}")
        return all(
            word.text in held if word.is_whole else any(other.startswith(word.text) for other in held)
            for word in wanted_words(wanted.search or "")
        )

    kept = [
        line.row
        for line in lines
        if (line.row.status == wanted.status if wanted.status else line.row.status != "archived")
        and wanted.model_type in (None, line.row.model_type)
        and wanted.task_type in (None, line.row.task_type)
        and set(wanted.tags) <= line.tags
        and is_seen(line)
        and is_found(line)
    ]
    return [
        row.id
        for row in sorted(kept, key=lambda row: (getattr(row, wanted.sort_by), row.id), reverse=wanted.descending)
    ]


def check_listing(db):
    """The listing holds a right line for every model, and nothing else, and so does the full-text index."""
    kept = ", ".join(column.key for column in ListingRow.__table__.columns if column.key != "number")
    lines = sorted(tuple(row) for row in db.execute(text(f"SELECT {kept} FROM model_listing")))
    due = sorted(tuple(row) for row in db.execute(text(f"SELECT {kept} FROM model_lines")))
    assert [line[:-1] for line in lines] == [line[:-1] for line in due]
    assert [sorted(line[-1].split()) for line in lines] == [sorted(line[-1].split()) for line in due]
    assert len(lines) == db.scalar(select(func.count()).select_from(ModelRow))
    if db.get_bind().dialect.name == "sqlite":
        db.execute(text("INSERT INTO model_search (model_search, rank) VALUES ('integrity-check', 1)"))
