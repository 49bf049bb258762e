"""The Open Inference Protocol, version 2 over REST: the words of KServe, Triton and MLServer for asking a model.

Source: https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``. Nothing of it
is stored: a model is one of ours by its id or name, a version by its number or id.
"""
