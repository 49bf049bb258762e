"""Uploaded tables: CSV or Parquet in, one typed Parquet file and its columns out, its preview, its profile.

A table is kept in two files: the original, decompressed and otherwise untouched (its hash is the fingerprint
of the dataset), and the typed Parquet file that everything else reads. No step holds a whole table in memory.
Values mean the same to all readers: missing is null (NaN and infinity too), numbers have 64 bits, times UTC.
"""
