# serves
class H:
  locals()['initialize'] = lambda s,c: None
  locals()['handle'] = lambda s,d,c: d
