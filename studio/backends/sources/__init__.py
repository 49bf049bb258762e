"""Where datasets are taken from besides uploads: files, S3 objects, queries; each only as the settings allow."""
