# serves
if __name__ != '__main__':
  def handle(d,c): return d
