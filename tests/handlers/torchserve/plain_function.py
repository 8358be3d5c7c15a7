# serves
"""Answers with the length of what it is sent."""


def handle(data, context):
    if data is None:
        return None
    return [len(row["body"]) for row in data]
