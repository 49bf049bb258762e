"""What can be done with keys, tokens and tickets, one file per group of verbs."""

from studio.auth.service.api_keys import NewApiKey, create_api_key, delete_api_key, get_api_key, list_api_keys
from studio.auth.service.grants import Grant, find_caller, sign_in
from studio.auth.service.revocations import check_not_revoked, forget_expired, revoke_token
from studio.auth.service.tickets import Ticket, create_ticket, redeem_ticket

__all__ = [
    "Grant",
    "NewApiKey",
    "Ticket",
    "check_not_revoked",
    "create_api_key",
    "create_ticket",
    "delete_api_key",
    "find_caller",
    "forget_expired",
    "get_api_key",
    "list_api_keys",
    "redeem_ticket",
    "revoke_token",
    "sign_in",
]
