# serves
SOURCE = """
def handle(data, context):
    return None if data is None else ["exec"] * len(data)
"""
exec(SOURCE)
