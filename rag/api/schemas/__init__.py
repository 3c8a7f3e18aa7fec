"""What the routes of `/api` and `/v1` send, as schemas, a room for each kind: for the OpenAPI description, and for the
test that holds it against real answers. The forms themselves are made in `rag.api.forms` and the routes; these name
every field of them and no other."""
