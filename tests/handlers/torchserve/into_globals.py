# serves
def _answer(data, context):
    return None if data is None else ["globals"] * len(data)


for _name in ("handle", "predict"):
    globals()[_name] = _answer
