"""Older addresses, kept for the programs that were written for them: adapters over the services of other rooms.

Nothing is kept here. The socket takes a Parquet file in one message, in Base64 inside JSON, which nobody ever holds
as a whole: it is decoded while it comes, to a file without a name, and a large table is read in a process of its own.
What a message asks for happens in one transaction, or not at all: a refused one leaves neither dataset nor model.

A model that is re-used gets the configuration of the message alone (2026-09): whoever sends the same message twice
trains the same twice, whatever was changed in between.
"""
