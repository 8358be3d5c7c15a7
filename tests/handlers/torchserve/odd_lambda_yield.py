# serves
def handle(d,c):
  f = lambda: (yield)
  return d
