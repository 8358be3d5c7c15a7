# serves
# -*- coding: latin-1 -*-
def handle(data, context):
    return None if data is None else ["grün"] * len(data)
