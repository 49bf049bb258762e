"""Datasets in the stores: links, holds, removal, and what a dying process leaves."""

import io
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from studio.backends.files.work_folder import sweep_work_folders, work_folder
from studio.datasets import service as datasets
from studio.datasets.jobs import sweep_incomplete
from studio.datasets.service.uploaders import is_gone, name_process
from studio.datasets.tables import DatasetRow
from studio.domain.datasets import SourceType
from studio.errors import BackendDown, DatasetInUse, DatasetLinked, DatasetNotFound
from tests.factories import csv_of, make_dataset, make_model, parcels

both_databases = pytest.mark.both_databases


@pytest.fixture
def sweep(runtime):
    return lambda: sweep_incomplete(runtime.database, runtime.open_stores, runtime.config.data_folder)


@pytest.fixture
def rows_of(runtime):
    def read():
        with runtime.database.transaction(write=False) as db:
            return {row.id: row for row in db.scalars(select(DatasetRow))}

    return read


def upload(stores, content=None, **facts):
    with tempfile.TemporaryFile() as file:
        file.write(csv_of(parcels()) if content is None else content)
        return datasets.upload_dataset(stores, file, **{"name": "Parcels", **facts})


@both_databases
def test_an_upload_is_whole_in_rows_and_files(open_stores, runtime):
    with open_stores() as stores:
        made = upload(stores)
        assert stores.note.details["dataset_id"] == made.id
    with open_stores(write=False) as stores:
        assert datasets.get_dataset(stores, made.id) == made
    assert made.source.type is SourceType.UPLOAD
    assert b"".join(runtime.files.read_chunks(made.original_key)) == csv_of(parcels())
    assert runtime.files.list_keys(f"datasets/{made.id}") == sorted([made.original_key, made.table_key])
    assert list((runtime.config.data_folder / "uploads").iterdir()) == []


@both_databases
def test_a_call_that_fails_after_the_upload_lists_nothing(open_stores, runtime, clock, sweep, rows_of):
    def fails():
        with open_stores() as stores:
            upload(stores)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fails()
    [row] = rows_of().values()
    assert not row.is_complete
    assert sweep() == 0  # its process lives: it might still be at it
    clock.advance(minutes=11)
    assert sweep() == 1
    assert rows_of() == {}
    assert runtime.files.list_keys("datasets") == []


@both_databases
def test_a_training_gets_the_table(open_stores, tmp_path):
    with open_stores() as stores:
        made = make_dataset(stores)
        fetched = datasets.fetch_table(stores, made.id, tmp_path / "copy.parquet")
    assert fetched == made
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "copy.parquet"), parcels(), check_dtype=False, check_index_type=False
    )


def test_an_incomplete_one_is_not_there(open_stores, tmp_path):
    with open_stores() as stores:
        made = make_dataset(stores, is_complete=True)
        stores.db.get(DatasetRow, made.id).is_complete = False
    with open_stores() as stores:
        for reach in (
            lambda: datasets.get_dataset(stores, made.id),
            lambda: datasets.link_dataset(stores, "mdl-00000000", made.id),
            lambda: datasets.hold_dataset(stores, made.id, "run-1"),
            lambda: datasets.fetch_table(stores, made.id, tmp_path / "copy"),
            lambda: datasets.delete_dataset(stores, made.id),
            lambda: datasets.preview_dataset(stores, made.id, limit=1),
        ):
            with pytest.raises(DatasetNotFound):
                reach()
        assert datasets.list_datasets(stores, datasets.DatasetFilter(), page=1, page_size=20).total == 0


@both_databases
class TestDeletion:
    def test_what_is_linked_or_held_stays(self, open_stores):
        with open_stores() as stores:
            made = make_dataset(stores)
            model = make_model(stores, dataset=made)
            with pytest.raises(DatasetLinked):
                datasets.delete_dataset(stores, made.id)
            datasets.hold_dataset(stores, made.id, "run-1")
            datasets.hold_dataset(stores, made.id, "run-1")
            datasets.unlink_dataset(stores, model.id)
            with pytest.raises(DatasetInUse):
                datasets.delete_dataset(stores, made.id)
            datasets.release_dataset(stores, "run-1")
            datasets.delete_dataset(stores, made.id)
            with pytest.raises(DatasetNotFound):
                datasets.get_dataset(stores, made.id)

    def test_the_worker_removes_the_files(self, open_stores, runtime, sweep, rows_of):
        with open_stores() as stores:
            kept, made = make_dataset(stores), make_dataset(stores)
        with open_stores(write=False) as stores:
            datasets.profile_dataset(stores, made.id)
        with open_stores() as stores:
            datasets.delete_dataset(stores, made.id)
        assert len(runtime.files.list_keys(f"datasets/{made.id}")) == 3
        assert sweep() == 1
        assert sweep() == 0
        assert runtime.files.list_keys("datasets") == sorted([kept.original_key, kept.table_key])
        assert set(rows_of()) == {kept.id}

    def test_a_rollback_brings_it_back(self, open_stores, tmp_path):
        with open_stores() as stores:
            made = make_dataset(stores)

        def fails():
            with open_stores() as stores:
                datasets.delete_dataset(stores, made.id)
                raise InterruptedError

        with pytest.raises(InterruptedError):
            fails()
        with open_stores(write=False) as stores:
            datasets.fetch_table(stores, made.id, tmp_path / "copy")

    def test_a_link_made_at_the_same_moment_wins_or_loses_as_a_whole(self, open_stores):
        with open_stores() as stores:
            made = make_dataset(stores)
        outcome = {}

        def link():
            try:
                with open_stores(user="user-2") as stores:
                    datasets.link_dataset(stores, "mdl-00000000", made.id)
                outcome["link"] = True
            except DatasetNotFound:
                outcome["link"] = False

        with open_stores() as stores:
            datasets.delete_dataset(stores, made.id)
            other = threading.Thread(target=link)
            other.start()
            other.join(0.5)  # not waited for to end: it waits for this transaction
        other.join()
        assert outcome == {"link": False}


class TestProfileKept:
    def test_the_second_reading_needs_no_table(self, open_stores, runtime):
        with open_stores() as stores:
            made = make_dataset(stores)
        with open_stores(write=False) as stores:
            first = datasets.profile_dataset(stores, made.id, target_column="late")
            runtime.files.delete(made.table_key)
            assert datasets.profile_dataset(stores, made.id, target_column="late") == first
            with pytest.raises(DatasetNotFound):
                datasets.profile_dataset(stores, made.id)

    def test_only_so_many_are_kept(self, open_stores, runtime):
        frame = pd.DataFrame({f"c{number}": [1, 2] for number in range(25)})
        with open_stores() as stores:
            made = make_dataset(stores, frame)
        with open_stores(write=False) as stores:
            for name in frame:
                datasets.profile_dataset(stores, made.id, target_column=name)
        assert 1 <= len(runtime.files.list_keys(f"datasets/{made.id}/profiles")) <= 20

    def test_one_that_comes_after_a_deletion_leaves_nothing(self, open_stores, runtime, sweep):
        with open_stores() as stores:
            made = make_dataset(stores)
        reading = runtime.files.open

        def delete_meanwhile(key):
            file = reading(key)
            if key == made.table_key:
                with open_stores() as stores:
                    datasets.delete_dataset(stores, made.id)
                sweep()
            return file

        with open_stores(write=False) as stores:
            runtime.files.open = delete_meanwhile
            with pytest.raises(DatasetNotFound):
                datasets.profile_dataset(stores, made.id)
        assert runtime.files.list_keys("datasets") == []


class TestGivenUp:
    def test_signs_of_life_keep_a_slow_upload(self, open_stores, runtime, clock, sweep):
        """Every piece takes eight minutes, and the worker sweeps after each."""
        writing = runtime.files.put

        def slowly(key, chunks):
            def with_pauses():
                for chunk in chunks:
                    clock.advance(minutes=8)
                    assert sweep() == 0
                    yield chunk

            return writing(key, with_pauses())

        runtime.files.put = slowly
        random = io.BytesIO(b"text\n" + b"".join(os.urandom(400).hex().encode() + b"\n" for _ in range(4000)))
        with open_stores() as stores:
            made = upload(stores, random.getvalue())
        with open_stores(write=False) as stores:
            assert datasets.get_dataset(stores, made.id).rows == 4000

    def test_a_silent_one_cannot_be_completed_any_more(self, open_stores, runtime, clock, sweep, rows_of):
        writing = runtime.files.put

        def after_a_pause(key, chunks):
            if key.endswith("table.parquet"):
                clock.advance(minutes=11)
                assert sweep() == 1
            return writing(key, chunks)

        runtime.files.put = after_a_pause

        def slow():
            with open_stores() as stores:
                upload(stores)

        with pytest.raises(BackendDown):
            slow()
        assert rows_of() == {}
        assert runtime.files.list_keys("datasets") == []

    def test_processes_are_told_apart(self):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        name = name_process(child.pid)
        assert name != name_process() == name_process()
        assert not is_gone(name)
        child.communicate(b"\n")
        assert is_gone(name)
        assert not is_gone(f"another-boot/1/{child.pid}/5")


UPLOADS_AND_HANGS = """
import sys, tempfile
from studio.process import begin
config = begin("api")
from studio.datasets import service
from studio.domain.actors import Actor
from studio.runtime import Runtime

runtime = Runtime(config)
writing = runtime.files.put

def hangs(key, chunks):
    def pieces():
        yield next(iter(chunks))
        print("halfway", flush=True)
        sys.stdin.read()
    return writing(key, pieces()) if key.endswith("table.parquet") else writing(key, chunks)

runtime.files.put = hangs
with runtime.open_stores(Actor("acme", "user-1"), write=True) as stores, tempfile.TemporaryFile() as file:
    file.write(b"a,b\\n1,2\\n")
    service.upload_dataset(stores, file, name="half")
"""


@pytest.mark.slow
def test_a_killed_upload_leaves_no_dataset_and_no_bytes(config, runtime, open_stores, sweep, rows_of):
    given = {
        "STUDIO_DATA_FOLDER": str(config.data_folder),
        "STUDIO_RUNTIME_FOLDER": str(config.runtime_folder),
        "STUDIO_DATABASE_URL": config.database_url,
        "STUDIO_MLFLOW_DATABASE_URL": config.mlflow_database_url,
    }
    child = subprocess.Popen(
        [sys.executable, "-c", UPLOADS_AND_HANGS], env={**os.environ, **given}, cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "halfway\n"
    assert len(rows_of()) == 1
    assert len(list((config.data_folder / "uploads").iterdir())) == 1
    with open_stores(write=False) as stores:
        assert datasets.list_datasets(stores, datasets.DatasetFilter(), page=1, page_size=20).total == 0
    assert sweep() == 0
    child.kill()
    child.communicate()
    for unfinished in (runtime.files.root / ".incoming").iterdir():
        os.utime(unfinished, (0, 0))
    assert sweep() == 1
    assert rows_of() == {}
    assert [path for path in runtime.files.root.rglob("*") if path.is_file()] == []
    assert list((config.data_folder / "uploads").iterdir()) == []


class TestWorkFolders:
    def test_one_goes_with_its_block(self, tmp_path):
        def fails():
            with work_folder(tmp_path / "work") as folder:
                (folder / "file").write_bytes(b"x")
                raise InterruptedError

        with pytest.raises(InterruptedError):
            fails()
        assert list((tmp_path / "work").iterdir()) == []

    def test_one_in_use_is_not_swept(self, tmp_path):
        with work_folder(tmp_path) as folder, work_folder(tmp_path) as other:
            assert sweep_work_folders(tmp_path) == 0
            assert folder.is_dir()
            assert other.is_dir()

    def test_what_a_killed_process_left_is_swept(self, tmp_path):
        (tmp_path / "abandoned" / "deep").mkdir(parents=True)
        (tmp_path / "abandoned" / "deep" / "file").write_bytes(b"x")
        with work_folder(tmp_path) as folder:
            assert list(tmp_path.iterdir()) == [folder]
