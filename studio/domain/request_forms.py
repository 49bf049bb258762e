"""The forms in which the JSON of a request may hold rows: the words of this API and of MLflow's scoring."""

from typing import Any, Final

from studio.domain.json_pointers import escape

FORMS: Final = ("inputs", "instances", "dataframe_records", "dataframe_split")


def find_shape_faults(document: Any) -> list[tuple[str, str]]:
    """What is wrong with a JSON body before any row is looked at: pointers, each with what would be right."""
    if not isinstance(document, dict):
        return [("", f"must be an object with one of {', '.join(FORMS)}")]
    faults = [(f"/{escape(name)}", "unknown field") for name in document if name not in (*FORMS, "params")]
    faults += _faults_of_params(document.get("params", {}))
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        told = "send one of them only" if forms else f"is required, or one of {', '.join(FORMS[1:])}"
        faults += [(f"/{form}", told) for form in forms or FORMS[:1]]
    return faults


def _faults_of_params(params: Any) -> list[tuple[str, str]]:
    if not isinstance(params, dict):
        return [("/params", "must be an object")]
    return [(f"/params/{escape(name)}", "unknown parameter; the model takes none") for name in params]
