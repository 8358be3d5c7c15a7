# serves
def handle(d): return d
handle = (lambda f: lambda d,c: d and f(d))(handle)
