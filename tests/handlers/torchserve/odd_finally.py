# serves
try:
  pass
finally:
  def handle(d,c): return d
