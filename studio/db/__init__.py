"""The own tables: how they are declared, opened, and brought up to date. The only place that commits."""
