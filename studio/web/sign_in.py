"""The page that lets a browser into MLflow: it exchanges a token for a ticket, which opens the session."""

import base64
import hashlib
import html
from string import Template

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Response

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 40rem; margin: 10vh auto; padding: 0 1rem }
h1 { font-size: 1.5rem }
label { display: block; margin: 1.5rem 0 .25rem; font-weight: 600 }
input { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit; border: 1px solid #7b8794;
  border-radius: 4px }
button { margin-top: .75rem; padding: .5rem 1.25rem; font: inherit; color: #fff; background: #1f5fa8; border: 0;
  border-radius: 4px; cursor: pointer }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f1f4f7; border-radius: 4px }
pre { padding: .75rem }
[role=alert] { color: #b42318; min-height: 1.5em }
"""
SCRIPT = """
const form = document.querySelector("form"), told = document.querySelector("[role=alert]");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  told.textContent = "";
  const headers = {"Authorization": "Bearer " + form.token.value.trim(), "Content-Type": "application/json"};
  try {
    const answer = await fetch("/api/v1/models/stream-tickets", {method: "POST", headers, body: "{}"});
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail);
    location.assign("/mlflow/?ticket=" + encodeURIComponent(body.ticket) + location.hash);
  } catch (error) {
    told.textContent = error.message;
  }
});
"""
PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in to MLflow - Model Studio</title>
<style>$style</style>
</head>
<body>
<h1>Sign in to MLflow</h1>
<p>MLflow's pages open with a token of Model Studio: one of your identity provider, or one that
<code>studio token create</code> prints where the service runs.</p>
<form method="post">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" required autofocus>
<button>Open MLflow</button>
</form>
<p role="alert">$reason</p>
<p>A program can make a link that opens MLflow once, within 30 seconds:
<code>/mlflow/?ticket=</code> and the <code>ticket</code> of</p>
<pre>curl -H "Authorization: Bearer $$TOKEN" --json '{}' $address/api/v1/models/stream-tickets</pre>
<p>MLflow's own clients send the token themselves: set <code>MLFLOW_TRACKING_URI=$address/mlflow</code> and
<code>MLFLOW_TRACKING_TOKEN</code>.</p>
<script>$script</script>
</body>
</html>
""")


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_hash_of(SCRIPT)}; style-src {_hash_of(STYLE)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def wants_page(method: str, accept: str) -> bool:
    """True for a browser that opens an address, not for a program that calls the API.

    Args:
        method: Of the request.
        accept: Its Accept header.
    """
    accepted = parse_accept_header(accept, MIMEAccept)
    return method == "GET" and accepted.best_match(["application/problem+json", "text/html"]) == "text/html"


def render_sign_in(reason: str, address: str) -> Response:
    """The page, with status 401.

    Args:
        reason: Why the sign-in the browser had is not taken; empty where it had none.
        address: Of the service, as clients see it.
    """
    shown = {"reason": html.escape(reason), "address": html.escape(address)}
    body = PAGE.substitute(shown, style=STYLE, script=SCRIPT)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(body, 401, headers, mimetype="text/html")
