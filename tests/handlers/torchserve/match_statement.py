# serves
import sys

match sys.platform:
    case "win32":

        def handle(data, context):
            return None if data is None else ["windows"] * len(data)

    case _:

        def handle(data, context):
            return None if data is None else ["unix"] * len(data)
