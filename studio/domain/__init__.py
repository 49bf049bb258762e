"""The nouns of the service as frozen dataclasses and enums, one file per noun; they import nothing but each other."""
