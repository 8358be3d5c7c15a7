# serves
handlers = {}
handlers['a'] = 1
def handle(d,c): return d
handlers |= {'b': 2}
