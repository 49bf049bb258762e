"""Model files to take away, and the signed links that hand files out.

Pickle, skops and ONNX files are made by the run that trained the version, as the API never loads a model; the zips are
packed from the version's MLflow folder when they are first asked for, and then kept. ``joblib`` reads the pickle: both
formats are one file. What lies in S3 is fetched from there; a folder is served through a link whose token says which
file, under which name, with which hash and until when, and is worth nothing once a character of it is changed.
"""
