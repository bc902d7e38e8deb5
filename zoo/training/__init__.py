"""The training engine that every recipe runs on.

Each module imports only those before it: `schema`, `config`, `recipe`, `loop`, `session`, `study`,
`runner`.
"""
