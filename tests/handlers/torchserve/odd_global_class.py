# serves
def f():
  global handle
  def handle(d,c): return d
class H:
  x = f()
