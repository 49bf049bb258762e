"""Says of rows what each column adds to what a version predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.backends.mlflow.loading import LOADER
from studio.backends.serving.port import ExplainedRow
from studio.backends.stores import Stores
from studio.errors import NoVersion
from studio.predictions.service.asking import find_asked
from studio.predictions.service.input_schema import GivenRows, InputSchema
from studio.predictions.service.json_forms import records_at
from studio.versions import service as versions


@dataclass(frozen=True)
class Explanation:
    """What a version makes of some rows, and why.

    Attributes:
        explainer: How the values were found; see ``studio.backends.serving.port.Explanations``.
        output: What base and values add up to.
        explanations: One per row.
    """

    model_id: str
    version_id: str
    explainer: str
    output: str
    explanations: Sequence[ExplainedRow]
    method: str = "shap"


def explain_rows(
    stores: Stores,
    model_id: str,
    *,
    inputs: Sequence[dict[str, Any]],
    version_id: str | None = None,
    class_label: str | None = None,
    top_n: int | None = None,
) -> Explanation:
    """Explain rows by SHAP values; is neither logged nor counted, and safe to repeat: a row gets the same values again.

    Args:
        stores: Open stores; reading ones suffice.
        model_id: Id of the model.
        inputs: At least one row: feature name -> JSON value, None for a missing one.
        version_id: Id of the version, None for the promoted one.
        class_label: The class to explain; None for each row's predicted one.
        top_n: So many values of each row, those that count most; None for all.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        NoVersion: No version is asked for and none is promoted.
        VersionNotReady: The version is not ready, or its model folder is gone.
        InvalidInputs: A row does not fit the version's columns; names each fault.
        NotApplicable: The version cannot be explained.
        UnknownClass: It has no such class.
        PredictionFailed: The model raised, or cannot be loaded.
        Overloaded: It did not answer in time.
        BackendDown: No model host could be started.
    """
    with stores.open_apart(write=False) as reading:  # a model may take its time: no transaction waits for it
        asked = find_asked(reading, model_id, version_id)
        if asked is None:
            raise NoVersion("No version is promoted; promote one, or name one with version_id.")
        version = asked.version
        InputSchema(asked.columns).check(GivenRows(inputs, records_at("/inputs")))
        background = versions.read_background(reading, model_id, asked.name, version.number)
    found = stores.hosts.explain(
        asked.address, LOADER, asked.loading, inputs,
        background=background, class_label=class_label, timeout_s=stores.config.predict_timeout_s,
    )  # fmt: skip
    rows = [_rank(row, top_n) for row in found.rows]
    return Explanation(model_id, version.id, found.explainer, found.output, rows)


def _rank(row: ExplainedRow, top_n: int | None) -> ExplainedRow:
    ranked = sorted(row.values.items(), key=lambda pair: -abs(pair[1]))
    return ExplainedRow(row.prediction, row.class_label, row.base_value, dict(ranked[:top_n]))
