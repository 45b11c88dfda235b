# expect: error|oom|timeout
# after: mem-back, slot-fresh; entity expansion in the job's own XML parser is bounded
import xml.etree.ElementTree as E

d = (
    '<!DOCTYPE l [<!ENTITY a0 "xxxxxxxxxx">'
    + "".join(f'<!ENTITY a{i} "' + f"&a{i - 1};" * 10 + '">' for i in range(1, 10))
    + "]><l>&a9;</l>"
)
output = len(E.fromstring(d).text)
