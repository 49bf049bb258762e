"""Asking models: one host process per model version, reached over local sockets."""
