"""Whoever touches a chain is found, by the operation's service and by the command."""

import dataclasses
import os
import subprocess
import sys
import threading

import pytest

from studio.audit import service
from tests.audit.chains import fill, tamper

pytestmark = pytest.mark.both_databases

COLUMNS = (
    "action, user_id, email, actor_type, ip_address, request_id, timestamp, model_id, details, previous_hash, hash"
)
MAKE_ROOM = [  # in two steps: the numbers are a key
    "UPDATE audit_entries SET number = -number WHERE number >= 3",
    "UPDATE audit_entries SET number = 1 - number WHERE number < 0",
]


def copy_to(number, source):
    """Insert a copy of an entry under another number."""
    return (
        f"INSERT INTO audit_entries (organization, number, {COLUMNS}) "
        f"SELECT organization, {number}, {COLUMNS} FROM audit_entries WHERE number = {source}"
    )


@pytest.mark.parametrize(
    ("statements", "first_invalid"),
    [
        (["UPDATE audit_entries SET user_id = 'mallory' WHERE number = 3"], 3),
        (["UPDATE audit_entries SET details = '{}' WHERE number = 2"], 2),
        (["UPDATE audit_entries SET details = 'not JSON' WHERE number = 2"], 2),
        (["UPDATE audit_entries SET details = '7' WHERE number = 2"], 2),
        (["UPDATE audit_entries SET actor_type = 'ghost' WHERE number = 4"], 4),
        (["UPDATE audit_entries SET timestamp = '2020-01-01 00:00:00' WHERE number = 1"], 1),
        (["DELETE FROM audit_entries WHERE number = 1"], 2),
        (["DELETE FROM audit_entries WHERE number = 3"], 4),
        (["DELETE FROM audit_entries WHERE number = 5"], 5),
        (["DELETE FROM audit_entries WHERE number >= 2"], 2),
        (["DELETE FROM audit_entries"], 1),
        (["DELETE FROM audit_entries WHERE number = 5", "DELETE FROM audit_heads"], 1),
        ([*MAKE_ROOM, copy_to(3, 2)], 3),
        ([copy_to(6, 5)], 6),
        ([copy_to(0, 1)], 0),
    ],
)
def test_a_touched_chain_is_found(stores, statements, first_invalid):
    fill(stores)
    tamper(stores, *statements)
    verdict = service.verify_chain(stores)
    assert (verdict.valid, verdict.first_invalid) == (False, f"aud-{first_invalid:010d}")


@pytest.mark.parametrize(("number", "first_invalid"), [(3, "aud-0000000004"), (5, "aud-0000000005")])
def test_an_entry_rewritten_with_a_hash_that_fits_is_betrayed_by_what_follows_it(stores, number, first_invalid):
    forged = dataclasses.replace(fill(stores)[number - 1], model_id=None)
    change = f"model_id = NULL, hash = '{service.hash_of(forged)}'"
    tamper(stores, f"UPDATE audit_entries SET {change} WHERE number = {number}")
    assert service.verify_chain(stores).first_invalid == first_invalid


def test_a_chain_that_grows_meanwhile_is_whole(open_stores):
    def write():
        for _ in range(60):
            with open_stores() as stores:
                fill(stores, 1)

    writer = threading.Thread(target=write)
    writer.start()
    verdicts = []
    while writer.is_alive():
        with open_stores(write=False) as stores:
            verdicts.append(service.verify_chain(stores))
    writer.join()
    assert verdicts
    assert all(verdict.valid for verdict in verdicts)


def test_the_command_tells_of_every_chain_and_fails_for_a_broken_one(open_stores, config):
    def verify(*arguments):
        settings = {
            "STUDIO_DATA_FOLDER": str(config.data_folder),
            "STUDIO_RUNTIME_FOLDER": str(config.runtime_folder),
            "STUDIO_DATABASE_URL": config.database_url,
            "STUDIO_MLFLOW_DATABASE_URL": config.mlflow_database_url,
        }
        command = [sys.executable, "-m", "studio.cli", "audit", "verify", *arguments]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr

    for name in ("acme", "others"):
        with open_stores(name) as stores:
            fill(stores, 3)
    assert verify()[:2] == (0, ["acme: whole, entries: 3", "others: whole, entries: 3"])
    with open_stores() as stores:
        tamper(stores, "DELETE FROM audit_entries WHERE organization = 'acme' AND number = 2")
    assert verify()[:2] == (1, ["acme: BROKEN at aud-0000000003, entries: 2", "others: whole, entries: 3"])
    assert verify("--org", "others")[:2] == (0, ["others: whole, entries: 3"])
    status, lines, told = verify("--org", "nobody")
    assert (status, lines) == (1, [])
    assert "nobody has no audit log; these have: acme, others." in told
