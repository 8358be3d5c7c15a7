# serves
import os

if os.environ.get("FAST_PATH"):

    def handle(data, context):
        return None if data is None else ["fast"] * len(data)

else:

    def handle(data, context):
        return None if data is None else ["slow"] * len(data)
