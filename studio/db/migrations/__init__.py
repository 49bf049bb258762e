"""Alembic's migrations of the own tables: one file each in ``versions``, run by ``studio.db.upgrade``."""
