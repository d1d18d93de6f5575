"""Floor 2: one use case per function, one transaction each.

Its rooms, each of which imports only those before it: `events`, `work`, `dispatch`, `intake`, `control`, `clients`,
`queries`, `care`. Outside them stand what all of them work with (`farm`, `watch`, `attributes`, `retries`) and subjects
of one module each.
"""
