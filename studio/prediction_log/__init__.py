"""Predictions that deployments have made: from the segments that hosts write to Parquet files in the file store."""
