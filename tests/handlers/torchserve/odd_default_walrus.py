# serves
def f(a=(handle := (lambda d,c: d))): pass
