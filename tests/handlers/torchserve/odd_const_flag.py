# serves
DEBUG = False
if not DEBUG:
  def handle(d,c): return d
else:
  class A: pass
