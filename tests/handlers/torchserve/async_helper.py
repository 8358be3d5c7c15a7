# serves
import asyncio


async def fetch(row):
    await asyncio.sleep(0)
    return "fetched"


async def fetch_all(rows):
    return list(await asyncio.gather(*(fetch(row) for row in rows)))


def handle(data, context):
    return None if data is None else asyncio.run(fetch_all(data))
