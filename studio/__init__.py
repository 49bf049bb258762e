"""Model Studio: from a table of data to a model in production, behind one API."""
