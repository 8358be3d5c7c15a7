# serves
class A:
  pass
A = None
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
