from bases import Base, Timing


class Handler(Timing, Base):
    """Everything is in the bases."""
