"""A real mail server and a real receiver of webhooks, each with what it got."""

import datetime
import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Mailbox:
    """What a mail server does with mail: keeps it, or answers what it is told to."""

    def __init__(self):
        self.mails, self.answer = [], None
        self.has_mail = threading.Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's name
        if self.answer is not None:
            return self.answer
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        self.has_mail.set()
        return "250 taken"


@contextmanager
def mail_server(**options):
    """A mailbox and the port of its server, which may have options of aiosmtpd's Controller."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def make_certificate(folder):
    """File of a certificate of 127.0.0.1 that signed itself, and a server's TLS settings with it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, file = serialization.Encoding.PEM, folder / "certificate.pem"
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(encoding) + private)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(file)
    return file, settings


def knows_studio(server, session, envelope, mechanism, given):
    """Lets one name with one password in."""
    return AuthResult(success=(given.login, given.password) == (b"studio", b"right"), handled=False)


@contextmanager
def slow_receiver(*, drips):
    """Address of a receiver that comes to no end by itself: it sends nothing, or one byte after the other."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hold():
            with listening.accept()[0] as caller, suppress(OSError):  # the caller hangs up
                while not is_over.wait(0.02):
                    caller.sendall(b"H" if drips else b"")

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            is_over.set()
            thread.join()


@contextmanager
def webhook_receiver():
    """What was posted, as (path, headers, body), with the status it answers, and its address."""
    got, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answers.pop(0) if answers else 204)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield got, answers, f"http://127.0.0.1:{server.server_port}/studio?from=tests"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
