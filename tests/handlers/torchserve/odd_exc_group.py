# serves
try:
  1/0
except ZeroDivisionError:
  def handle(d,c): return d
