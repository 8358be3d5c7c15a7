# serves
class H:
  pass
for c in (H,):
  c.initialize = lambda s,c: None
  c.handle = lambda s,d,c: d
del c
