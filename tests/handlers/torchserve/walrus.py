# serves
if answer := (lambda data, context: None if data is None else ["walrus"] * len(data)):
    pass
print(handle := answer)
