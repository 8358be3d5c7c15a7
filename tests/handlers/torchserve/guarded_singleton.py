# serves
import threading


class Model:
    _lock = threading.Lock()
    _instance = None

    @classmethod
    def instance(cls):
        with cls._lock:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    def predict(self, rows):
        return ["single"] * len(rows)


def handle(data, context):
    model = Model.instance()
    return None if data is None else model.predict(data)
