"""Notifications from the run's end to a real mail server and a real webhook receiver."""

import contextlib
import email.policy
import socket
import threading
from email.parser import BytesParser

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from standardwebhooks import Webhook

from studio.backends.outgoing import mail, webhooks
from studio.backends.outgoing.addresses import is_open
from studio.config import BadConfig, Config
from studio.domain.run_records import Failure
from studio.models import service as models
from studio.notifications import service
from studio.notifications.jobs import Postman
from studio.notifications.tables import NotificationRow
from studio.training import service as training
from studio.training.service.outcomes import complete_run, fail_run
from studio.training.tables import RunRow
from tests.conftest import EndUncommitted
from tests.factories import make_dataset, make_model
from tests.notifications.receivers import (
    knows_studio,
    mail_server,
    make_certificate,
    slow_receiver,
    webhook_receiver,
)
from tests.versions.factories import add_version

KEY = "whsec_" + "c2VjcmV0" * 5
NAME = "Späte 'Pakete' 📦 \u2028Bcc x@y.org"


@pytest.fixture
def mailbox():
    with mail_server() as (box, port):
        box.port = port
        yield box


@pytest.fixture
def hook():
    with webhook_receiver() as found:
        yield found


@pytest.fixture
def config(config, mailbox, hook):
    told = {
        "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_security": "none",
        "smtp_sender": "Model Studio <studio@example.org>", "notification_webhook_url": hook[2],
        "notification_webhook_secret": SecretStr(KEY), "notification_private_addresses": True,
    }  # fmt: skip
    return config.model_copy(update=told)


@pytest.fixture
def postman(runtime):
    return Postman(runtime.database, runtime.config, runtime.clock)


def start(open_stores, *, settings=None, name=NAME):
    with open_stores() as stores:
        model = make_model(stores, name, dataset=make_dataset(stores))
        wanted = {"notify_emails": ["ana@example.org", "li@example.org", "Ana@Example.org"], **(settings or {})}
        models.update_settings(stores, model.id, {"notifications": wanted})
        stores.note = None
        return model, training.start_run(stores, model.id).run_id


def fail(open_stores, run_id):
    with open_stores() as stores:
        fail_run(stores, run_id, Failure("out_of_memory", "Too little memory.", "algorithm_search"))


def rows(open_stores):
    with open_stores() as stores:
        query = select(NotificationRow).order_by(NotificationRow.channel, NotificationRow.receiver)
        return [(row.channel, row.receiver, row.status, row.attempts, row.error) for row in stores.db.scalars(query)]


@pytest.mark.both_databases
class TestTheWholeWay:
    def test_a_completed_run_is_told_to_each_address_and_the_webhook(self, open_stores, postman, mailbox, hook):
        model, run_id = start(open_stores)
        with open_stores() as stores:
            version = add_version(stores, models.get_model(stores, model.id))
            stores.db.execute(update(RunRow).values(mlflow_run_id="0123abcd" * 4))
            complete_run(stores, run_id, version=version, timed_out=False, stage_seconds={})
            complete_run(stores, run_id, version=version, timed_out=False, stage_seconds={})
        assert postman.send_due() == 3
        assert postman.send_due() == 0
        assert sorted(receivers for _, receivers, _ in mailbox.mails) == [["Ana@Example.org"], ["li@example.org"]]
        letter = BytesParser(policy=email.policy.default).parsebytes(mailbox.mails[0][2])
        assert letter["Subject"] == "Training completed: Späte 'Pakete' 📦 Bcc x@y.org"
        assert (letter["Bcc"], letter["From"]) == (None, "Model Studio <studio@example.org>")
        text, page = (letter.get_body([kind]).get_content() for kind in ("plain", "html"))
        assert "The training of Späte 'Pakete' 📦 Bcc x@y.org has completed." in text
        assert "Späte &#x27;Pakete&#x27; 📦" in page
        address = f"http://127.0.0.1:8321/mlflow/#/runs/{'0123abcd' * 4}?workspace=acme"
        assert all(address in part and run_id in part for part in (text, page))
        assert f"/api/v1/models/{model.id}/training-runs/{run_id}" in text
        assert all(name in text for name in version.metrics)
        [(path, headers, body)] = hook[0]
        assert path == "/studio?from=tests"
        told = Webhook(KEY).verify(body, headers)
        assert (told["type"], told["data"]["model_name"], told["data"]["run_id"]) == (
            "training.completed", models_name(open_stores, model.id), run_id,
        )  # fmt: skip
        assert {row[2] for row in rows(open_stores)} == {"sent"}

    def test_a_failed_run_tells_why(self, open_stores, postman, mailbox, hook):
        _, run_id = start(open_stores)
        fail(open_stores, run_id)
        postman.send_due()
        text = (
            BytesParser(policy=email.policy.default).parsebytes(mailbox.mails[0][2]).get_body(["plain"]).get_content()
        )
        assert "Too little memory. (out_of_memory)" in text
        assert Webhook(KEY).verify(hook[0][0][2], hook[0][0][1])["data"]["failure"]["stage"] == "algorithm_search"

    def test_nothing_is_told_of_an_end_that_was_rolled_back(self, open_stores):
        _, run_id = start(open_stores)

        with contextlib.suppress(EndUncommitted), open_stores() as stores:
            fail_run(stores, run_id, Failure("out_of_memory", "x", "startup"))
            assert len(stores.db.scalars(select(NotificationRow)).all()) == 3
            raise EndUncommitted
        assert rows(open_stores) == []

    def test_who_does_not_want_to_know_is_not_told(self, open_stores):
        _, run_id = start(open_stores, settings={"on_training_failure": False})
        fail(open_stores, run_id)
        assert rows(open_stores) == []

    def test_two_workers_send_once(self, open_stores, runtime, mailbox, hook):
        _, run_id = start(open_stores)
        fail(open_stores, run_id)
        begin = threading.Barrier(3)

        def work():
            begin.wait()
            Postman(runtime.database, runtime.config, runtime.clock).send_due()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(mailbox.mails), len(hook[0])) == (2, 1)

    def test_what_a_killed_worker_held_is_sent_by_another(self, open_stores, runtime, clock, postman):
        _, run_id = start(open_stores)
        fail(open_stores, run_id)
        with runtime.database.transaction(write=True) as db:
            held = service.claim(db, "email", clock())
        assert postman.send_due() == 2
        clock.advance(seconds=service.LEASE.total_seconds() - 1)
        assert postman.send_due() == 0
        clock.advance(seconds=1)
        assert postman.send_due() == 1
        with runtime.database.transaction(write=True) as db:  # the first comes back to life: too late
            service.note_failure(db, held, clock(), "late", is_final=True)
        assert {row[2] for row in rows(open_stores)} == {"sent"}

    def test_what_is_refused_for_now_is_tried_again_and_in_the_end_given_up(
        self, open_stores, clock, postman, mailbox, hook
    ):
        _, run_id = start(open_stores, settings={"notify_emails": []})
        fail(open_stores, run_id)
        hook[1].extend([500] * service.MAX_ATTEMPTS)
        ids = set()
        for attempt in range(1, service.MAX_ATTEMPTS + 1):
            assert postman.send_due() == 1
            assert postman.send_due() == 0  # not before its time
            ids.add(hook[0][-1][1]["webhook-id"])
            assert rows(open_stores)[0][2:4] == ("waiting" if attempt < service.MAX_ATTEMPTS else "failed", attempt)
            clock.advance(seconds=service.LONGEST_PAUSE_S)
        assert (len(ids), rows(open_stores)[0][4]) == (1, "the receiver answered 500")

    def test_what_was_sent_long_ago_is_forgotten(self, open_stores, clock, postman):
        _, run_id = start(open_stores)
        fail(open_stores, run_id)
        postman.send_due()
        for days, left in ((30, 3), (1, 0)):
            clock.advance(days=days)
            with open_stores() as stores:
                service.forget_old(stores.db, clock())
            assert len(rows(open_stores)) == left


def models_name(open_stores, model_id):
    with open_stores() as stores:
        return models.get_model(stores, model_id).name


@pytest.mark.parametrize(("answer", "status"), [("550 no such mailbox", "failed"), ("451 later", "waiting")])
def test_a_mail_server_refuses_for_good_or_for_now(open_stores, postman, mailbox, answer, status, caplog):
    _, run_id = start(open_stores)
    mailbox.answer = answer
    fail(open_stores, run_id)
    postman.send_due()
    assert {(row[2], row[4]) for row in rows(open_stores) if row[0] == "email"} == {(status, answer)}
    assert any("notification" in record.message for record in caplog.records)


def test_a_mail_server_that_is_down_is_tried_again(open_stores, runtime, mailbox):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        config = runtime.config.model_copy(update={"smtp_port": free.getsockname()[1]})
        _, run_id = start(open_stores)
        fail(open_stores, run_id)
        Postman(runtime.database, config, runtime.clock).send_due()
    assert {row[2] for row in rows(open_stores) if row[0] == "email"} == {"waiting"}


@pytest.fixture
def send_mail_over(open_stores, runtime):
    """Has a mail sent with some settings, and tells how that went."""

    def send(**settings):
        _, run_id = start(open_stores, settings={"notify_emails": ["ana@example.org"]})
        fail(open_stores, run_id)
        config = runtime.config.model_copy(update={"notification_webhook_url": "", **settings})
        Postman(runtime.database, config, runtime.clock).send_due()
        return next((status, error) for channel, _, status, _, error in rows(open_stores) if channel == "email")

    return send


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("password", "is_trusted", "outcome"),
    [
        ("right", True, ("sent", None)),
        ("wrong", True, ("waiting", "the mail server refuses the login: 535")),
        ("right", False, ("waiting", "the certificate of 127.0.0.1 is not trusted: self-signed certificate")),
    ],
)
def test_mail_is_sent_over_tls_with_a_login(
    send_mail_over, tmp_path, monkeypatch, security, password, is_trusted, outcome
):
    certificate, tls = make_certificate(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    encrypts = {"tls_context": tls, "require_starttls": True} if security == "starttls" else {"ssl_context": tls}
    asks = {"authenticator": knows_studio, "auth_required": True, "auth_require_tls": security == "starttls"}
    with mail_server(**encrypts, **asks) as (box, port):
        login = {"smtp_user": "studio", "smtp_password": SecretStr(password)}
        assert send_mail_over(smtp_port=port, smtp_security=security, **login) == outcome
        assert len(box.mails) == (outcome[0] == "sent")


def test_a_mail_server_without_tls_gets_nothing_in_the_clear(send_mail_over, mailbox):
    status, error = send_mail_over(smtp_security="starttls")
    assert (status, mailbox.mails) == ("waiting", [])
    assert "cannot do what the settings ask: STARTTLS" in error


def test_a_mail_server_that_hangs_is_left(send_mail_over, monkeypatch):
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        status, error = send_mail_over(smtp_port=silent.getsockname()[1])
    assert status == "waiting"
    assert error.endswith("timed out")


@pytest.mark.parametrize(
    ("drips", "told"),
    [(False, "the receiver does not answer: timed out"), (True, "the receiver did not answer within 0.5 s")],
)
def test_a_receiver_that_hangs_is_left_and_tried_again(open_stores, runtime, monkeypatch, drips, told):
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(webhooks, "DEADLINE_S", 0.5)
    _, run_id = start(open_stores)
    fail(open_stores, run_id)
    with slow_receiver(drips=drips) as address:
        config = runtime.config.model_copy(update={"notification_webhook_url": address})
        Postman(runtime.database, config, runtime.clock).send_due()
    assert [row[2:] for row in rows(open_stores) if row[0] == "webhook"] == [("waiting", 1, told)]


def test_a_receiver_that_hangs_keeps_no_mail_waiting(open_stores, runtime, monkeypatch, mailbox):
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 60)
    monkeypatch.setattr(webhooks, "DEADLINE_S", 60)
    _, run_id = start(open_stores, settings={"notify_emails": ["ana@example.org"]})
    fail(open_stores, run_id)
    with slow_receiver(drips=False) as address:
        config = runtime.config.model_copy(update={"notification_webhook_url": address})
        Postman(runtime.database, config, runtime.clock).begin_round()
        assert mailbox.has_mail.wait(30)


def test_a_private_address_is_refused_unless_allowed(open_stores, runtime, hook):
    config = runtime.config.model_copy(update={"notification_private_addresses": False})
    _, run_id = start(open_stores)
    fail(open_stores, run_id)
    Postman(runtime.database, config, runtime.clock).send_due()
    [(_, _, status, _, error)] = [row for row in rows(open_stores) if row[0] == "webhook"]
    assert (status, hook[0]) == ("failed", [])
    assert "private" in error


def test_a_redirect_is_not_followed(open_stores, postman, hook):
    _, run_id = start(open_stores)
    hook[1].append(307)
    fail(open_stores, run_id)
    postman.send_due()
    assert rows(open_stores)[-1][4] == "the receiver answered 307"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "::1", "fe80::1%eth0",
     "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "255.255.255.255"],
)  # fmt: skip
def test_addresses_of_private_networks_are_known(address):
    assert not is_open(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_of_the_open_internet_are_known(address):
    assert is_open(address)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"smtp_host": "mail"}, "SMTP_SENDER"),
        ({"smtp_host": "mail", "smtp_sender": "a@b.org", "smtp_user": "studio"}, "SMTP_PASSWORD"),
        ({"notification_webhook_url": "ftp://x"}, "WEBHOOK_URL"),
        ({"notification_webhook_url": "https://x"}, "WEBHOOK_SECRET"),
        ({"notification_webhook_url": "https://x", "notification_webhook_secret": "whsec_c2hvcnQ="}, "WEBHOOK_SECRET"),
        ({"notification_webhook_url": "https://x", "notification_webhook_secret": "nö"}, "WEBHOOK_SECRET"),
    ],
)
def test_half_a_setting_is_refused(given, named, tmp_path):
    with pytest.raises(BadConfig, match=named):
        Config.load(data_folder=tmp_path, **given)


def test_runs_know_that_somebody_is_told_and_no_secret(config):
    shown = config.without_secrets()
    assert (shown.smtp_password, shown.notification_webhook_secret) == (None, None)
    assert shown.notification_webhook_url == "https://hidden.invalid"
