# serves
class X: pass
if len('a'):
  del X
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
