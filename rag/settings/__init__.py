"""rag.toml: a room for each of its tables, where every key carries its unit and meaning.

whole         all tables as one frozen object, and what follows from several of them
file          the only reader of rag.toml and of the environment
table         a table as it is written, against the fields of its class
option        what a key is made of
template      the commented file that `rag init` writes
toml_writing  one value written into a file that a person keeps

Every other room is named after what its tables are about.
"""

from rag.settings.whole import TABLES, Settings

__all__ = ["TABLES", "Settings"]
