"""Predictions for every row of a dataset, as a job of the worker.

A job has a row of its own; its process reads the dataset in chunks, has them predicted by the version's model host, and
keeps each finished chunk in a work folder, so that a killed job goes on where it was. The result lies with the model's
files. A row that cannot be predicted stands in the error file and not in the result.
"""
