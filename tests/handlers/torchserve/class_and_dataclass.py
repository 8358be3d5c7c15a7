# fails: handler-entry
from dataclasses import dataclass


@dataclass
class Settings:
    threshold: float = 0.5


class Handler:
    def initialize(self, context):
        self.settings = Settings()

    def handle(self, data, context):
        return [self.settings.threshold] * len(data)
