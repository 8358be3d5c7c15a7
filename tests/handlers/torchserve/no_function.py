# fails: handler-entry
handle = {"path": "predict"}
