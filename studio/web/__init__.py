"""The edge: everything that is the same for every route, so that a room says only what is its own.

``endpoint`` declares an ordinary operation, ``stream`` a socket. Both find out who calls, whether they may, and what
they sent, in the order the API promises; both answer every failure with one problem body.

2026-11-23: flask-smorest serves for blueprints and the OpenAPI document alone. Its own argument and response
decorators parse the body before the caller is known, and the API promises the other order.
"""
