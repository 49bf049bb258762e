"""A real mail server and a real receiver of webhooks, each with what it got."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


class Mailbox:
    """What a mail server does with mail: keeps it, or answers what it is told to."""

    def __init__(self):
        self.mails, self.answer = [], None

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's name
        if self.answer is not None:
            return self.answer
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


@contextmanager
def mail_server():
    """A mailbox and the port of its server."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


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
