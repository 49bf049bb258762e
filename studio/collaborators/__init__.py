"""Who has which role on a model. Own table; the creator of a model is its first owner."""
