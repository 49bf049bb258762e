"""Converters for the pipelines under test."""

import pytest

from studio.exports.onnx.conversion import convert
from studio.exports.onnx.parity import _open, measure_parity
from tests.exports.pipelines import orders


@pytest.fixture
def frame():
    return orders()


@pytest.fixture
def compare(tmp_path):
    """Converts a pipeline and compares the two."""

    def run(pipeline, frame):
        path = tmp_path / "model.onnx"
        path.write_bytes(convert(pipeline).SerializeToString())
        return measure_parity(pipeline, path, frame, until=float("inf"))

    return run


@pytest.fixture
def session(tmp_path):
    """Opens a converted pipeline."""

    def open_one(pipeline):
        path = tmp_path / "model.onnx"
        path.write_bytes(convert(pipeline).SerializeToString())
        return _open(path)

    return open_one
