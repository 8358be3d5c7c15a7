# fails: handler-syntax
def handle(data, context):
    print "handling", data
    return ["x"]
