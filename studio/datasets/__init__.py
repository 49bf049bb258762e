"""The dataset catalogue, and which model links which dataset.

A dataset is two files of the store (the content as it came, and the same as typed Parquet) and an own row. The row of
an upload in progress is written first, in a transaction of its own, and is listed only once it is complete; the
worker removes those whose process died, with their files.

2026-11-23: links and uses stand here and not with models and runs, so that deleting a dataset can ask for them
without this room knowing the rooms above it.
"""
