# serves
class H:
  pass
type.__setattr__(H, 'initialize', lambda s,c: None)
type.__setattr__(H, 'handle', lambda s,d,c: d)
