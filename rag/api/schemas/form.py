"""What every schema of the API is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Form(BaseModel):
    """An object that holds these fields and no other."""

    model_config = ConfigDict(extra="forbid")
