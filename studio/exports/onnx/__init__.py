"""A fitted pipeline as one ONNX graph: the table's columns in, labels and probabilities or numbers out.

Own code rather than skl2onnx and onnxmltools, after trying them on what the search makes (2026-11): their trees compute
in single precision, forests send missing values the wrong way there (probabilities off by 0.6), histogram boosting
with missing values or categories does not convert, and of our reader and encoder they know nothing. Here all trees
become the operator ``TreeEnsemble`` of ai.onnx.ml 5, in double precision and with splits on sets of categories;
probabilities then differ by some 1e-15, XGBoost's by 1e-7, as it computes in single precision itself.

Nothing is taken on trust. An object that has a part this code does not know is not converted, rather than without that
part, and a graph counts only after ``parity`` has compared it with the pipeline.
"""
