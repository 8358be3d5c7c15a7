class BadInput(ValueError):
    pass
