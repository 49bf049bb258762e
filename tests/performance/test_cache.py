import pytest

from studio.performance.service.cache import EvaluationCache


class Source:
    """Gives values of one size and counts how often it is read."""

    def __init__(self):
        self.reads = []

    def reader(self, name, size_bytes=40):
        def read():
            self.reads.append(name)
            return f"value of {name}", size_bytes

        return read


@pytest.fixture
def source():
    return Source()


def test_a_value_is_read_once(source):
    cache = EvaluationCache(100)
    assert [cache.find(("a",), source.reader("a")) for _ in range(3)] == ["value of a"] * 3
    assert source.reads == ["a"]


def test_the_longest_unused_leaves_first(source):
    cache = EvaluationCache(100)
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.find((name,), source.reader(name))
    assert source.reads == ["a", "b", "c", "b"]


def test_a_value_too_large_is_not_kept_and_drives_nothing_out(source):
    cache = EvaluationCache(100)
    cache.find(("a",), source.reader("a"))
    for _ in range(2):
        cache.find(("big",), source.reader("big", 101))
    cache.find(("a",), source.reader("a"))
    assert source.reads == ["a", "big", "big"]


def test_a_failed_read_keeps_nothing(source):
    cache = EvaluationCache(100)

    def fail():
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        cache.find(("a",), fail)
    assert cache.find(("a",), source.reader("a")) == "value of a"
