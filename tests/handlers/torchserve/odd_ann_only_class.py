# serves
x: int
class H:
  handle: object
  initialize: object
  def __init__(s): s.handle=lambda d,c:d; s.initialize=lambda c:None
