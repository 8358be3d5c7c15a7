# serves
class Predictor:
    def run(self, data, context):
        return None if data is None else ["bound"] * len(data)


handle = Predictor().run
