# serves
try:
  raise ValueError
except ValueError:
  def handle(d,c): return d
