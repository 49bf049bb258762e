"""Contracts for ports and plugins: test classes that an implementation binds to itself."""
