"""Organizations: their members, and the training defaults they set. Own tables.

An organization is an MLflow workspace of the same name; it comes into being with its first member, who comes into
being with the first authenticated call.
"""
