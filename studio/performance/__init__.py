"""How good a version is: scores, matrices and curves, as numbers and as drawings.

All of it is computed from the evaluation stored as artifact ``evaluation/`` of the version's MLflow run at the end of
training (``studio/evaluation/stored.py``); no model is asked, and nothing is kept but a small cache in the process.
"""
