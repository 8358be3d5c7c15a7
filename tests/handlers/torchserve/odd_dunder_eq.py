# serves
if 'handler' == __name__ or True:
  def handle(d,c): return d
