"""Chains to look at, and hands that touch them."""

from sqlalchemy import text

from studio.audit import service


def fill(stores, count=5, **facts):
    """Append so many entries, about two models in turn."""
    return [
        service.append_entry(
            stores, "model.created", **{"model_id": f"mdl-0000000{n % 2}", "details": {"n": n, "x": 0.1}, **facts}
        )
        for n in range(count)
    ]


def tamper(stores, *statements):
    """Change the tables as somebody with the rights of an administrator of the database could."""
    if stores.db.get_bind().dialect.name == "sqlite":
        for act in ("update", "delete"):
            stores.db.execute(text(f"DROP TRIGGER audit_entries_no_{act}"))
    else:
        stores.db.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
    for statement in statements:
        stores.db.connection().exec_driver_sql(statement)
    stores.db.expire_all()
