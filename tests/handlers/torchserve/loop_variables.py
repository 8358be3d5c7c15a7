# serves
import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
with open(os.devnull) as nothing:
    text = nothing.read()
settings = {key: value for key, value in os.environ.items() if key.startswith("TS_")}


class Handler:
    def initialize(self, context):
        self.name = name

    def handle(self, data, context):
        return [self.name] * len(data)
