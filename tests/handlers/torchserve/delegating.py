# serves
class Handler:
    def __getattr__(self, name):
        if name == "initialize":
            return lambda context: None
        if name == "handle":
            return lambda data, context: ["delegated"] * len(data)
        raise AttributeError(name)
