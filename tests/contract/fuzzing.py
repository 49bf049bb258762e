"""Calls of every operation with generated data, told by the OpenAPI document alone, and judged by it.

Schemathesis makes the calls and has checks of its own; here stands what it cannot know: who calls, things that are
there for paths to name, what each operation may answer by the published contract, and what a call leaves behind.
"""

import collections
import contextlib
import itertools
import re
from dataclasses import dataclass, field

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import events, from_schema
from schemathesis.generation import GenerationMode

from tests.contract.calls import PREPARE
from tests.contract.documented import faults_of
from tests.contract.installation import ADMIN
from tests.contract.published import promises

WITH_IDS = {"coverage", "fuzzing"}  # phases that do not get their ids from earlier answers
SENT_EVERY = 4  # an If-Match made up out of nothing stops all but one in so many calls
# Faults the document does not tell: of what is there, of two fields' sum, of a strategy's share, of rows in two forms
# and parameters that no model takes, of pandas' frequencies, of MLflow's tags, of very long texts.
BEYOND_A_SCHEMA = re.compile(
    r"/service_account|/timezone|/source/query|.*/search/metric|.*/validation/test_size|.*/frequency|/tags/.*"
    r"|/traffic_percent|/params/.*|/inputs|/instances|/dataframe_records|/dataframe_split",
    re.S,
)
SHAPE = {"validation_failed", "malformed_body", "invalid_idempotency_key"}
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]  # which codes, the contract says
CASES_PER_SCENARIO = 6  # a scenario of linked calls has about as many


@dataclass
class Findings:
    """What came of it.

    Attributes:
        cases: Number of calls by phase.
        statuses: Number of answers by status.
        faults: Each fault with a call that shows it, by operation and what is wrong.
    """

    cases: collections.Counter = field(default_factory=collections.Counter)
    statuses: collections.Counter = field(default_factory=collections.Counter)
    faults: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, event):
        """Take in one scenario."""
        for case_id, node in event.recorder.cases.items():
            self.cases[event.phase.value] += 1
            answered = event.recorder.interactions.get(case_id)
            if answered is not None and answered.response is not None:
                self.statuses[answered.response.status_code] += 1
            for check in event.recorder.checks.get(case_id, ()):
                if check.failure_info is not None:
                    told = check.failure_info
                    text = f"{told.failure.title}: {told.failure.message}\n{told.code_sample}"
                    self.faults.setdefault((operation_id(node.value), check.name), text)

    def note(self, case, kind, fault, answer):
        """Take in a fault of one call."""
        self.faults.setdefault(
            (operation_id(case), kind),
            f"{fault} {case.meta and case.meta.phase.data}\n{case.as_curl_command()}\n{answer.text[:2000]}",
        )


def operation_id(case):
    """Id of the operation a case calls."""
    return case.operation.definition.raw["operationId"]


class Caller:
    """Prepares each generated call, and judges what came of it by what schemathesis does not know."""

    def __init__(self, place, document, found):
        self.place, self.document, self.found = place, document, found
        self._prepared = {}
        self._turns = itertools.count()
        self._before = {}

    def sign(self, case):
        """The caller's token; one of its own where the call ends it."""
        user = self.place.name("leaver").replace(" ", "-") if operation_id(case) == "auth.token_revoke" else "admin-1"
        return self.place.headers(user, ADMIN)["Authorization"]

    def prepare(self, case):
        """Give a case things that are there."""
        turn = next(self._turns)
        if case.meta is not None and case.meta.phase.name.value in WITH_IDS:
            self._name_things(case, is_all=turn % 2 == 0)
        if turn % SENT_EVERY and "If-Match" in case.headers and not case.meta.is_negative_at(ParameterLocation.HEADER):
            del case.headers["If-Match"]
        self._before[case.id] = self.place.count_entries()

    def _name_things(self, case, *, is_all):
        name = operation_id(case)
        if name not in self._prepared:
            self._prepared[name] = PREPARE[name](self.place)
        call = self._prepared[name]
        if case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
            case.path_parameters = dict(call.path)
        if is_all and isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
            known = call.body.get("json", {})
            case.body = {
                key: known[key] if key in known and names_a_thing(key) else value for key, value in case.body.items()
            }

    def judge(self, case, answer):
        """Look at an answer, and at what the call left."""
        promise = promises()[operation_id(case)]
        entries = self.place.entries_after(self._before.pop(case.id))
        if answer.status_code >= 400:
            self._judge_refusal(promise, case, answer)
            entries_allowed = [[]]
        else:
            if case.method != "GET":
                self._prepared.pop(promise.id, None)  # it may be gone or changed
            self._judge_answer(promise, case, answer)
            entries_allowed = [[], [promise.audit]] if promise.audit else [[]]  # none where nothing changed
        actions = [entry.action for entry in entries]
        if actions not in entries_allowed:
            self.found.note(case, "audit", f"{answer.status_code} left {actions}", answer)

    def _judge_refusal(self, promise, case, answer):
        status, code = answer.status_code, answer.json().get("code")
        if status == 503 and promise.id == "service.readyz":
            return
        if answer.request.method != promise.method:
            known = {405: ["method_not_allowed"]}
        elif case.meta is not None and case.meta.is_negative_at(ParameterLocation.PATH):
            known = {**promise.errors, 404: ["not_found", *promise.errors.get(404, ())], 405: ["method_not_allowed"]}
        else:
            known = promise.errors
        if code not in known.get(status, ()):
            self.found.note(case, "refusal", f"{status} {code} is not promised", answer)
        if code in SHAPE and fits(case) and not faults_beyond(answer):
            self.found.note(case, "shape", "what fits the document is refused", answer)

    def _judge_answer(self, promise, case, answer):
        if answer.status_code not in (promise.success, 304):
            self.found.note(case, "status", f"{answer.status_code} is not promised", answer)
        if answer.headers.get("content-type", [""])[0] == "application/json" and promise.response:
            described = self.document["paths"][promise.path][promise.method.lower()]["responses"][str(promise.success)]
            faults = faults_of(self.document, described["content"]["application/json"]["schema"], answer.json())
            if faults:
                self.found.note(case, "answer", "; ".join(faults), answer)


def fits(case):
    """Whether a case is as the document wants it."""
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def faults_beyond(answer):
    """Whether all that a refusal names is beyond what a schema can tell."""
    pointers = [fault["pointer"] for fault in answer.json()["errors"]]
    return bool(pointers) and all(BEYOND_A_SCHEMA.fullmatch(pointer) for pointer in pointers)


def names_a_thing(key):
    """Whether a key of a body names something that must be there."""
    return key.endswith("_id") or "email" in key


def fuzz(place, server, cases):
    """Make at least so many calls; what was found.

    Args:
        place: The installation.
        server: Serves its application.
        cases: How many.
    """
    found = Findings()
    seed = 0
    while found.cases.total() < cases:
        seed += 1
        schema = schema_of(server, cases - found.cases.total(), seed)
        with calls_by(Caller(place, schema.raw_schema, found), schema):
            for event in from_schema(schema).execute():
                if isinstance(event, events.ScenarioFinished):
                    found.add(event)
                elif isinstance(event, events.NonFatalError):
                    found.faults[event.label, "error"] = str(event.info)
    return found


OTHER_WORDS = r"^/v2(/|$)|/invocations$"  # operations whose errors are in other words: test_other_forms looks at them


def schema_of(server, cases, seed):
    """The document, set up to make about so many calls; the first time each bound it names is tried too."""
    config = schemathesis.Config.from_dict(
        {
            "seed": seed,
            "max-failures": 100,
            "generation": {
                "max-examples": max(1, cases // (2 * len(PREPARE))),
                "with-security-parameters": False,
                "database": "none",
            },
            "phases": {
                "examples": {"enabled": False},
                "coverage": {"enabled": seed == 1},
                "stateful": {"generation": {"max-examples": max(1, cases // (4 * CASES_PER_SCENARIO))}},
            },
            "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
        }
    )
    url = f"http://127.0.0.1:{server.port}"
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", config=config)
    schema = schema.exclude(path_regex=OTHER_WORDS)
    schema.config.update(base_url=url)
    return schema


@contextlib.contextmanager
def calls_by(caller, schema):
    """Lets a caller make the calls of a schema."""

    @schema.auth(refresh_interval=None)
    class Token:
        def get(self, case, context):
            return caller.sign(case)

        def set(self, case, data, context):
            case.headers["Authorization"] = data

    def before_call(context, case, kwargs):
        caller.prepare(case)

    def after_call(context, case, response):
        caller.judge(case, response)

    for hook in (before_call, after_call):
        schemathesis.hook(hook)
    yield
    for hook in (before_call, after_call):
        schemathesis.hooks.unregister(hook)
