"""The least that an answer of this stack costs: a Flask route that checks the token and echoes the JSON."""

import os

from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_SECRET_KEY=os.environ["CEILING_SECRET"], JWT_DECODE_AUDIENCE=os.environ["CEILING_AUDIENCE"],
    JWT_DECODE_ISSUER=os.environ["CEILING_ISSUER"],
)  # fmt: skip
JWTManager(app)


@app.get("/ready")
def be_ready():
    """For whoever waits."""
    return jsonify(ready=True)


@app.post("/echo")
@jwt_required()
def echo():
    """What was sent."""
    return jsonify(request.get_json())
