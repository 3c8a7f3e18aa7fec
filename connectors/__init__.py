"""Sources of documents. One file each; one line here to add one. Connectors see only the types."""

from __future__ import annotations

from connectors.folder import Folder

CONNECTORS = {"folder": Folder}
"""Kind, as rag.toml names it → class."""
