# serves
init, handle = (lambda c: None), (lambda d, c: d)
