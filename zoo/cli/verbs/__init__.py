"""One module a verb.

Its docstring and `EXAMPLES` are its help, `NEXT` is what to try after an error that does not say;
`arguments(parser)` declares the words it takes, and `run(args)` does it.
"""
