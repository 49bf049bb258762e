"""Declares sockets: the twin of ``endpoint`` for WebSockets.

The handshake is always accepted and a refused caller then closed with the code, because a browser shows its page the
close code of an open socket and nothing of a refused handshake.
"""

import functools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from flask import request
from flask_smorest import Blueprint
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from studio.domain.actors import Actor
from studio.domain.permissions import Needs
from studio.errors import BackendDown, Forbidden, NotFound, StudioError, TooMany, Unauthenticated
from studio.web.context import Edge, Origin, current_edge, current_origin
from studio.web.endpoint import authorize
