# serves
def _p():
  return (lambda c: None), (lambda d,c: d)
init, handle = _p()
