# serves
if (handle := (lambda d,c: d)): pass
