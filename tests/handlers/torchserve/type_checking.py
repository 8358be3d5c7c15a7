# serves
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ts.context import Context

    class Row:
        body: bytes


class Handler:
    def initialize(self, context: Context) -> None:
        self.context = context

    def handle(self, data: list[Row], context: Context) -> list[str]:
        return ["typed"] * len(data)
