"""The verbs of `zoo`, one module each.

A module's docstring and `EXAMPLES` are the help of the verb, and `NEXT` is the hint after an error
without one. `arguments(parser)` declares its arguments; `run(args)` runs it.
"""
