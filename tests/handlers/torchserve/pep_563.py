# serves
from __future__ import annotations


class Handler:
    model: Model | None = None

    def initialize(self, context: NotDefinedAnywhere) -> None:
        self.ready: bool = True

    def handle(self, data: list[Unknown], context) -> list[str]:
        return ["lazy"] * len(data)
