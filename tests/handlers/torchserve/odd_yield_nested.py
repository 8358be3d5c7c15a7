# serves
def handle(d,c):
  def g():
    yield 1
  return d and list(g())
