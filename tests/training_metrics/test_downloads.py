"""Whole logs as files."""

import json

import pytest

from studio.training_metrics.service import downloads
from tests.training_metrics.conftest import BASE

PATH = "training-metrics/logs/download"
MESSAGES = ("[Pipeline] 12 rows", 'ü "quoted" 😀', "two\nlines\r\nof one", "")


@pytest.fixture
def save(client, headers):
    """Downloads a log; answers the whole response."""

    def get(story, path=PATH, status=200, accept="*/*", **query):
        given = {**headers(), "Accept": accept}
        answer = client.get(f"{BASE}/{story.model_id}/{path}", headers=given, query_string=query)
        assert answer.status_code == status, answer.text
        return answer

    return get


@pytest.fixture
def told(story):
    """A completed run with four lines, each of another level."""
    for level, message in zip(("debug", "info", "warning", "error"), MESSAGES, strict=True):
        story.log(message, level=level)
    story.complete()
    return story


@pytest.mark.both_databases
def test_text_has_one_line_for_each_message(told, save, database):
    answer = save(told)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={told.run_id}.txt"
    lines = answer.text.splitlines()
    assert [line.split(" ", 2)[1:] for line in lines] == [
        ["DEBUG", "[Pipeline] 12 rows"],
        ["INFO", 'ü "quoted" 😀'],
        ["WARNING", "two lines of one"],
        ["ERROR", ""],
    ]
    assert all(line.split(" ")[0].endswith("Z") for line in lines)


def test_json_is_one_array_of_the_lines(told, save, ask):
    answer = save(told, format="json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={told.run_id}.json"
    assert json.loads(answer.text) == ask(told, "training-metrics/logs", level="debug")["lines"]
    assert len(answer.text.splitlines()) == 4


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("application/json", {}, "application/json"),
        ("text/plain", {}, "text/plain; charset=utf-8"),
        ("application/json", {"format": "txt"}, "text/plain; charset=utf-8"),
        ("text/plain", {"format": "json"}, "application/json"),
    ],
)
def test_the_format_asked_for_wins_over_what_is_accepted(told, save, accept, query, kind):
    assert save(told, accept=accept, **query).headers["Content-Type"] == kind


def test_a_run_without_a_line_gives_an_empty_file(story, save):
    assert save(story, run_id=story.run_id).text == ""
    assert save(story, run_id=story.run_id, format="json").json == []


def test_a_long_log_is_sent_in_chunks_without_a_gap(story, save, monkeypatch):
    monkeypatch.setattr(downloads, "LINES_PER_CHUNK", 3)
    story.log(*(f"[Training] {number}" for number in range(10)))
    lines = save(story, run_id=story.run_id).text.splitlines()
    assert [line.rsplit(" ", 1)[1] for line in lines] == [str(number) for number in range(10)]
    assert [line["line"] for line in save(story, run_id=story.run_id, format="json").json] == list(range(1, 11))


def test_the_newest_completed_run_is_sent_unless_one_is_named(told, save):
    later = told.begin_next()
    later.log("[Training] later")
    assert told.run_id in save(told).headers["Content-Disposition"]
    assert "later" in save(told, run_id=later.run_id).text


def test_what_is_not_there_is_named(story, start_story, save):
    assert save(story, status=404).json["code"] == "run_not_found"
    other = start_story(name="Other")
    for run_id in (other.run_id, "run-20260101-000000", "nonsense", "", "\0"):
        assert save(story, status=404, run_id=run_id).json["code"] == "run_not_found"
    answer = save(story, status=422, run_id=story.run_id, format="csv").json
    assert [fault["pointer"] for fault in answer["errors"]] == ["format"]


@pytest.mark.parametrize("format", ["txt", "json"])
def test_the_other_path_gives_the_same(told, save, format):
    assert save(told, format=format).data == save(told, "training/metrics/logs/download", format=format).data
