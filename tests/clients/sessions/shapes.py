"""What clients ask an answer to be."""

from pydantic import BaseModel


class Opening(BaseModel):
    year: int
