"""Archivar: ask your company's documents; nothing leaves the building.

Importing this package sets the phone-home switches of every library the product uses (`rag.egress`), because several
of them read their switch only once, at import. It does nothing else.
"""

from rag.egress.switches import close_phone_home

__version__ = "0.1.0"

close_phone_home()
