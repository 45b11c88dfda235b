import asyncio

async def fetch(number):
    await asyncio.sleep(0)
    return number * number

async def main():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(n)) for n in range(5)]
    return [task.result() for task in tasks]

output = await main()
