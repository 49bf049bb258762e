"""What can be done with the audit chain: append to it, query it, prove that nobody touched it."""

from studio.audit.service.chain import Verdict, append_entry, hash_of, list_organizations, verify_chain
from studio.audit.service.queries import (
    AuditFilter,
    check_filter,
    each_entry,
    list_entries,
    list_newest,
)
from studio.audit.service.rows import BATCH

__all__ = [
    "BATCH",
    "AuditFilter",
    "Verdict",
    "append_entry",
    "check_filter",
    "each_entry",
    "hash_of",
    "list_entries",
    "list_newest",
    "list_organizations",
    "verify_chain",
]
