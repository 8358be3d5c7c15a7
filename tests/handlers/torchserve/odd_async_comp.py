# serves
import asyncio
class H:
  def initialize(s,c): pass
  async def _run(s,d): return d
  def handle(s,d,c): return asyncio.run(s._run(d))
