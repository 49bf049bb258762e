"""Where files lie: datasets, model files, logs. One port, one store in a folder and one in S3."""
