# fails: handler-entry
