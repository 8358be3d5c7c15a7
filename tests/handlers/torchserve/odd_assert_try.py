# serves
try:
  assert False
  class A: pass
except AssertionError: pass
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
