# serves
def _make():
    from types import SimpleNamespace

    return SimpleNamespace(run=lambda data, context: None if data is None else ["space"] * len(data))


handle = _make().run
