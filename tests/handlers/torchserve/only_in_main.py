# fails: handler-entry
import sys

if __name__ == "__main__":

    def handle(data, context):
        return ["x"] * len(data)

    print(handle([1], None), file=sys.stderr)
