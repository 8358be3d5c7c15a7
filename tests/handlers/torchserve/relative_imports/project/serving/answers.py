from ..texts import TEXT


class Answers:
    text = TEXT
