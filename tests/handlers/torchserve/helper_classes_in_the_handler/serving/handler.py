from .base import Base


class Cleaner:
    pass


class Handler(Base):
    cleaner = Cleaner()
