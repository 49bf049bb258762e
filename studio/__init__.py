"""Model Studio: from a table of data to a watched model in production, behind one API."""
