"""How a request is refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from rag.api.schemas.form import Form


class Fault(Form):
    """What is wrong with one field of the request."""

    field: str
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details. `code` is stable, for programs; `title` and `detail` are in the reader's language."""

    model_config = ConfigDict(extra="forbid")
    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Fault] = []
    request_id: str = ""
    retry_after_s: int = 0
