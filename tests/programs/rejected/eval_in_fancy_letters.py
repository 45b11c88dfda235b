# expect: py-eval @ 2:10
output = 𝐞𝐯𝐚𝐥("1 + 1")
