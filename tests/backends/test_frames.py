"""Requests come whole to the host and answers to whoever asked, whatever pieces they arrive in."""

import socket
import threading

import pytest

from studio.backends.serving.frames import FrameServer, connect, exchange

TIMEOUT_S = 30


@pytest.fixture
def path(tmp_path):
    return tmp_path / "h.sock"


@pytest.fixture
def server(path):
    made = FrameServer(path)
    yield made
    made.close()


def echo(server, count):
    """Answer so many requests with themselves, the last first."""

    def work():
        taken = []
        while len(taken) < count:
            taken += server.receive()
        for sender, body in reversed(taken):
            server.send(sender, body[::-1])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("size", [0, 1, 3, 65_536, 5_000_000])
def test_a_request_of_any_size_comes_and_is_answered(server, path, size):
    echo(server, 1)
    body = bytes(range(256)) * (size // 256 + 1)
    with connect(str(path), TIMEOUT_S) as connection:
        assert exchange(connection, body[:size], TIMEOUT_S) == body[:size][::-1]


def test_everyone_gets_an_answer_of_his_own(server, path):
    threads, found = [], {}
    echo(server, 20)

    def ask(number):
        with connect(str(path), TIMEOUT_S) as connection:
            found[number] = exchange(connection, f"<{number}>".encode(), TIMEOUT_S)

    for number in range(20):
        threads.append(threading.Thread(target=ask, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert found == {number: f"<{number}>".encode()[::-1] for number in range(20)}


def test_pieces_are_put_together(server, path):
    with connect(str(path), TIMEOUT_S) as connection:
        for piece in (b"\0", b"\0\0", b"\3", b"ab"):
            connection.sendall(piece)
            assert list(server.receive()) == []
        connection.sendall(b"c\0\0\0\1d\0")
        assert [body for _, body in server.receive()] == [b"abc", b"d"]


def test_a_caller_that_went_is_answered_into_nothing(server, path):
    with connect(str(path), TIMEOUT_S) as connection:
        connection.sendall(b"\0\0\0\1a")
        [(sender, _)] = server.receive()
    with connect(str(path), TIMEOUT_S) as other:  # perhaps with the descriptor of the one before
        server.send(sender, b"for the first")
        assert list(server.receive()) == []
        server.send(sender, b"for the first")
        other.settimeout(0.05)
        with pytest.raises(TimeoutError):
            other.recv(1)


def test_the_end_of_the_host_is_noticed_at_once(server, path):
    connection = connect(str(path), TIMEOUT_S)
    assert list(server.receive()) == []
    threading.Timer(0.1, server.close).start()
    with pytest.raises(OSError, match=r"closed the connection|reset"):
        exchange(connection, b"still there?", TIMEOUT_S)
    connection.close()
    with pytest.raises(OSError, match="refused"):
        connect(str(path), TIMEOUT_S)


def test_no_answer_in_time_is_told(server, path):
    with connect(str(path), TIMEOUT_S) as connection, pytest.raises(TimeoutError):
        exchange(connection, b"?", 0.05)


def test_a_caller_that_takes_nothing_holds_nobody_up(server, path, monkeypatch):
    with connect(str(path), TIMEOUT_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"\0\0\0\1a")
        [(sender, _)] = server.receive()
        server.send(sender, bytes(50_000_000))  # ends although nobody reads
        assert sender not in server._connections
