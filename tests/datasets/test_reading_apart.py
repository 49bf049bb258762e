"""Tables read in a process of their own: what comes of it, and what a table can do to the process alone."""

import errno

import pandas as pd
import psutil
import pytest

from studio.datasets.service import reading_apart
from studio.datasets.service.reading_apart import read_table
from studio.errors import DatasetUnreadable, DuplicateColumns
from studio.tabular.ingestion import type_table
from tests.factories import csv_of, parcels

MB = 1 << 20


@pytest.fixture(autouse=True)
def everything_apart(monkeypatch):
    """No table is small."""
    monkeypatch.setattr(reading_apart, "APART_FROM_BYTES", 0)


@pytest.fixture
def original(tmp_path):
    """A file to read."""
    return tmp_path / "original"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_it_finds_what_is_found_here(original, tmp_path, form):
    if form == "csv":
        original.write_bytes(csv_of(parcels()))
    else:
        parcels().to_parquet(original)
    found = read_table(original, tmp_path / "apart.parquet")
    assert found == type_table(original, tmp_path / "here.parquet")
    assert pd.read_parquet(tmp_path / "apart.parquet").equals(pd.read_parquet(tmp_path / "here.parquet"))


def test_a_fault_of_the_table_is_told_as_here(original, tmp_path):
    original.write_bytes(b"a,b,a\n1,2,3\n")
    with pytest.raises(DuplicateColumns) as here:
        type_table(original, tmp_path / "here.parquet")
    with pytest.raises(DuplicateColumns) as apart:
        read_table(original, tmp_path / "apart.parquet")
    assert (str(apart.value), apart.value.fields) == (str(here.value), here.value.fields)


def test_a_table_that_takes_too_much_memory_is_refused(original, tmp_path, monkeypatch):
    pd.DataFrame({"text": ["x" * (400 * MB)]}).to_parquet(original, compression="zstd")
    assert original.stat().st_size < MB
    monkeypatch.setattr(reading_apart, "SHARE_OF_MEMORY", 300 * MB / psutil.virtual_memory().total)
    with pytest.raises(DatasetUnreadable, match="more than 300 MB of memory"):
        read_table(original, tmp_path / "apart.parquet")


def test_a_table_that_takes_too_long_is_refused_and_its_reader_ends(original, tmp_path, monkeypatch):
    original.write_bytes(csv_of(parcels()))
    monkeypatch.setattr(reading_apart, "PATIENCE_S", 0.01)
    before = _processes_below()
    with pytest.raises(DatasetUnreadable, match="minutes"):
        read_table(original, tmp_path / "apart.parquet")
    assert _processes_below() <= before


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_full_disk_is_told(original, tmp_path, form):
    if form == "csv":
        original.write_bytes(csv_of(parcels()))
    else:
        parcels().to_parquet(original)
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as refusal:
        read_table(original, full)
    assert refusal.value.errno == errno.ENOSPC


def _processes_below():
    return {child.pid for child in psutil.Process().children(recursive=True)}
