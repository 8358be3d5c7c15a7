# serves
class F:
  def __call__(s,d,c): return d
class _G: pass
del _G
handle = F()
