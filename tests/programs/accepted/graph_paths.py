from collections import deque

def shortest(graph, start, goal):
    queue, seen = deque([[start]]), {start}
    while queue:
        path = queue.popleft()
        if path[-1] == goal:
            return path
        for node in graph.get(path[-1], ()):
            if node not in seen:
                seen.add(node)
                queue.append([*path, node])
    return None

output = shortest({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["e"]}, "a", "e")
