import enum
from dataclasses import dataclass


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Settings:
    mode: Mode = Mode.FAST
