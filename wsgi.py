"""The API for a WSGI server: ``gunicorn -c config/gunicorn.conf.py wsgi:app``."""

from studio.process import begin

config = begin("api")  # before anything imports MLflow

from studio.app import create_app  # noqa: E402

app = create_app(config)
