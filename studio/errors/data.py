"""What is wrong with datasets and files."""

from studio.errors.kinds import Conflict, InvalidInput, NotFound


class DatasetNotFound(NotFound):
    code = "dataset_not_found"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"There is no dataset {dataset_id!r}.")


class DatasetNotLinked(NotFound):
    code = "dataset_not_linked"


class DatasetLinked(Conflict):
    code = "dataset_linked"


class DatasetInUse(Conflict):
    code = "dataset_in_use"


class SchemaMismatch(InvalidInput):
    code = "schema_mismatch"


class DatasetUnreadable(InvalidInput):
    """The file is not the CSV or Parquet it claims to be; ``details`` carry ``line`` and ``column`` where known."""

    code = "dataset_unreadable"


class DatasetEmpty(InvalidInput):
    code = "dataset_empty"


class DuplicateColumns(InvalidInput):
    code = "duplicate_columns"


class SourceNotAllowed(InvalidInput):
    code = "source_not_allowed"


class SourceUnreachable(InvalidInput):
    code = "source_unreachable"


class BadKey(InvalidInput):
    """A file key that would leave its store."""

    code = "bad_key"


class FileMissing(NotFound):
    """A file the store does not hold."""

    code = "file_missing"
