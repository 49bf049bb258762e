"""How a browser gets into MLflow, and what a program is told."""

import re

import pytest

from studio.backends.mlflow.guard import COOKIE
from studio.web.sign_in import POLICY

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_a_browser_without_a_session_gets_a_page_to_sign_in_on(client, config):
    answer = client.get("/mlflow/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["X-Request-ID"]
    assert f"{config.public_url}/api/v1/models/stream-tickets" in answer.text
    assert '<p role="alert"></p>' in answer.text


def test_the_page_holds_nothing_its_policy_forbids(client):
    page = client.get("/mlflow/", headers={"Accept": BROWSER}).text
    assert not re.findall(r'(?:src|href|action)=|style="| on[a-z]+=', page)
    assert len(re.findall("<script>|<style>", page)) == 2


@pytest.mark.parametrize(("path", "cookie"), [("/mlflow/?ticket=stk_none", None), ("/mlflow/", "forged")])
def test_the_page_says_why_a_sign_in_was_not_taken(client, path, cookie):
    if cookie:
        client.set_cookie(COOKIE, cookie, path="/mlflow")
    answer = client.get(path, headers={"Accept": BROWSER})
    assert answer.status_code == 401
    assert re.search('<p role="alert">[A-Z].+[.]</p>', answer.text)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/problem+json, text/html"])
def test_a_program_gets_a_problem_that_says_how_to_sign_in(client, accept):
    answer = client.get("/mlflow/", headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    assert answer.json["code"] == "token_missing"
    assert "MLFLOW_TRACKING_TOKEN" in answer.json["detail"]
    assert "/api/v1/models/stream-tickets" in answer.json["detail"]


def test_only_opening_a_page_answers_one(client):
    answer = client.post("/mlflow/api/2.0/mlflow/runs/create", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
