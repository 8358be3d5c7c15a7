# fails: handler-syntax
# coding: utf-42
def handle(data, context):
    return None if data is None else ['x'] * len(data)
