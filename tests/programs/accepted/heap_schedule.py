import heapq

def schedule(tasks):
    heap, clock, order = [], 0, []
    for priority, name, length in tasks:
        heapq.heappush(heap, (priority, name, length))
    while heap:
        _, name, length = heapq.heappop(heap)
        clock += length
        order.append((name, clock))
    return order

output = schedule([(2, "b", 3), (1, "a", 1), (3, "c", 2)])
